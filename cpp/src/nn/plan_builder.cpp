#include "nn/plan_builder.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "nn/lowering.hpp"
#include "ops/activation.hpp"
#include "ops/noise.hpp"
#include "ops/rows.hpp"
#include "unitgain/error.hpp"

namespace unitgain::nn {

template <class T>
PlanBuilder<T>::PlanBuilder(const PlanRequest<T>& request, Fusion<T> fusion)
    : request_(request),
      fusion_(std::move(fusion)),
      values_(request.graph.nodes().size(), no_buffer),
      saved_(values_.size(), no_buffer),
      gradients_(values_.size(), Gradient{{}, false}),
      derivative_applied_(new bool[values_.size()]()),
      bias_summed_(new bool[values_.size()]()) {}

template <class T>
BufferId PlanBuilder<T>::buffer_bytes(Index bytes) {
  buffers_.push_back({bytes});
  return static_cast<BufferId>(buffers_.size()) - 1;
}

template <class T>
BufferId PlanBuilder<T>::value(NodeId id) {
  BufferId& known = values_[static_cast<std::size_t>(id)];
  if (known == no_buffer) known = buffer(values(id));
  return known;
}

template <class T>
View PlanBuilder<T>::matrix(NodeId id, Index cols) {
  const Slot& slot = fusion_.slots[static_cast<std::size_t>(id)];
  if (slot.concatenation < 0) return whole(value(id), values(id) / cols, cols);
  View view = matrix(slot.concatenation, node(slot.concatenation).shape.cols);
  view.offset += slot.column;
  view.cols = cols;
  return view;
}

template <class T>
View PlanBuilder<T>::saved(const Group<T>& group) {
  const Index cols = node(group.result).shape.cols;
  if (!activation_info(group.activation.kind).saves_input) return matrix(group.result, cols);
  BufferId& known = saved_[static_cast<std::size_t>(group.result)];
  if (known == no_buffer) known = buffer(values(group.result));
  return whole(known, rows(group.result), cols);
}

template <class T>
BufferId PlanBuilder<T>::dropout_mask(const Group<T>& group) {
  const auto [found, added] = statistics_.try_emplace({group.result, 0}, no_buffer);
  if (added) {
    found->second = buffer<std::uint64_t>(ops::dropout_mask_words(values(group.result)));
  }
  return found->second;
}

template <class T>
BufferId PlanBuilder<T>::statistics(NodeId id, int which, Index n) {
  const auto [found, added] = statistics_.try_emplace({id, which}, no_buffer);
  if (added) found->second = buffer(n);
  return found->second;
}

template <class T>
BufferId PlanBuilder<T>::workspace(Index bytes) {
  if (workspace_ == no_buffer) workspace_ = buffer_bytes(0);
  Buffer& shared = buffers_[static_cast<std::size_t>(workspace_)];
  shared.bytes = std::max(shared.bytes, bytes);
  return workspace_;
}

template <class T>
void PlanBuilder<T>::add_step(const View& a, const View& b, const View& to) {
  step("add gradient", 0.2 * static_cast<double>(to.rows * to.cols),
       {a.buffer, b.buffer, to.buffer}, [=](const runtime::Team& team, const Context<T>& context) {
         ops::add_rows<T>(team, read_at(context, a), read_at(context, b), at(context, to));
       });
}

template <class T>
void PlanBuilder<T>::add_gradient(NodeId value, const View& part, bool owned) {
  Gradient& sum = gradients_[static_cast<std::size_t>(value)];
  if (sum.view.buffer == no_buffer) {
    sum = {part, owned};
    return;
  }
  // Written where one of the two may be written, else to a buffer of its own.
  const Index cols = part.cols;
  const View known = gradient_matrix(value, cols);
  View to = known;
  if (!sum.owned) to = owned ? part : whole(buffer(values(value)), part.rows, cols);
  add_step(known, part, to);
  sum = {to, true};
}

template <class T>
BufferId PlanBuilder<T>::gradient(NodeId id) {
  Gradient& known = gradients_[static_cast<std::size_t>(id)];
  if (known.view.contiguous() && known.view.offset == 0) return known.view.buffer;
  const View copy = whole(buffer(values(id)), known.view.rows, known.view.cols);
  copy_matrix(*this, "gather gradient", known.view, copy);
  known = {copy, true};
  return copy.buffer;
}

template <class T>
View PlanBuilder<T>::gradient_matrix(NodeId id, Index cols) {
  const View& known = gradients_[static_cast<std::size_t>(id)].view;
  if (known.cols == cols) return known;
  return whole(gradient(id), values(id) / cols, cols);
}

template <class T>
const Group<T>* PlanBuilder<T>::only_read_by_one(NodeId value) const {
  const int index = fusion_.group_of[static_cast<std::size_t>(value)];
  if (index < 0 || fusion_.consumers[static_cast<std::size_t>(value)] != 1) return nullptr;
  return &fusion_.groups[static_cast<std::size_t>(index)];
}

template <class T>
typename PlanBuilder<T>::ParameterTarget PlanBuilder<T>::begin_parameter(
    const ParameterPtr<T>& parameter) {
  if (parameter == nullptr) return {nullptr, false};
  auto& written = parameters_written_;
  const auto known = std::find(written.begin(), written.end(), parameter.get());
  const bool seen = known != written.end();
  if (!seen) {
    written.push_back(parameter.get());
    begun_.push_back({meetings_.size(), 0, true});
  } else {
    Begun& begun = begun_[static_cast<std::size_t>(known - written.begin())];
    if (begun.meetings != meetings_.size()) {
      throw ValueError(parameter->name() +
                       " is shared by layers on both sides of a synchronized batch norm: their "
                       "gradients come at different times");
    }
    begun.open = true;
  }
  return {request_.gradients.find(parameter.get()), seen};
}

template <class T>
void PlanBuilder<T>::gradients_are_ready() {
  for (Begun& begun : begun_) {
    if (std::exchange(begun.open, false)) begun.ready = steps_.size();
  }
}

template <class T>
void PlanBuilder<T>::step(std::string name, double work, const std::vector<BufferId>& uses,
                          StepFunction<T> run, bool barrier) {
  const int index = static_cast<int>(steps_.size());
  for (const BufferId id : uses) {
    Buffer& used = buffers_[static_cast<std::size_t>(id)];
    if (used.first < 0) used.first = index;
    used.last = std::max(used.last, index);
  }
  work_ += work;
  steps_.push_back({std::move(name), std::move(run), barrier});
}

template <class T>
void PlanBuilder<T>::keep(BufferId id) {
  buffers_[static_cast<std::size_t>(id)].last = std::numeric_limits<int>::max();
}

// Times are barriers passed: between two barriers a slow thread may still use what a fast one has
// done with.
template <class T>
std::vector<Lifetime> PlanBuilder<T>::lifetimes() const {
  std::vector<int> time(steps_.size() + 1, 0);
  for (std::size_t i = 0; i < steps_.size(); ++i)
    time[i + 1] = time[i] + (steps_[i].barrier ? 1 : 0);
  std::vector<Lifetime> found;
  for (const Buffer& b : buffers_) {
    if (b.first < 0) {
      found.push_back({b.bytes, 0, -1});
      continue;
    }
    const auto last = std::min<std::size_t>(static_cast<std::size_t>(b.last), steps_.size());
    found.push_back({b.bytes, time[static_cast<std::size_t>(b.first)], time[last]});
  }
  return found;
}

template <class T>
Plan<T> PlanBuilder<T>::finish() {
  Plan<T> plan;
  plan.batch = batch();
  plan.mode = mode();
  plan.precision = precision();
  plan.work = work_;
  plan.may_fail = may_fail_;
  plan.draws = draws_;
  plan.activities = std::move(activities_);
  plan.lifetimes = lifetimes();
  Arena arena = place(plan.lifetimes);
  plan.offsets = std::move(arena.offsets);
  plan.arena_bytes = arena.bytes;
  plan.steps = std::move(steps_);
  plan.meetings = std::move(meetings_);
  const auto& trained = request_.gradients.parameters;
  for (std::size_t i = 0; i < begun_.size(); ++i) {
    const auto known = std::find(trained.begin(), trained.end(), parameters_written_[i]);
    if (known == trained.end()) continue;
    plan.ready.push_back({begun_[i].ready, static_cast<std::size_t>(known - trained.begin())});
  }
  std::sort(plan.ready.begin(), plan.ready.end(), [](const auto& a, const auto& b) {
    return a.step != b.step ? a.step < b.step : a.parameter < b.parameter;
  });
  return plan;
}

template class PlanBuilder<float>;
template class PlanBuilder<double>;

}  // namespace unitgain::nn
