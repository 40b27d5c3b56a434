#include "nn/plan_builder.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/aligned_buffer.hpp"
#include "ops/activation.hpp"
#include "ops/noise.hpp"
#include "runtime/dispatch.hpp"

namespace unitgain::nn {

template <class T>
PlanBuilder<T>::PlanBuilder(const Graph<T>& graph, Fusion<T> fusion, Index batch, Mode mode,
                            const ParameterGradients<T>& gradients, int threads,
                            Precision precision)
    : graph_(graph),
      fusion_(std::move(fusion)),
      batch_(batch),
      mode_(mode),
      gradients_(gradients),
      threads_(threads),
      precision_(precision),
      values_(graph.nodes().size(), no_buffer),
      saved_(graph.nodes().size(), no_buffer),
      gradient_buffers_(graph.nodes().size(), no_buffer),
      gradient_written_(graph.nodes().size(), false),
      derivative_applied_(new bool[graph.nodes().size()]()),
      bias_summed_(new bool[graph.nodes().size()]()) {}

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
BufferId PlanBuilder<T>::saved(const Group<T>& group) {
  if (!activation_info(group.activation.kind).saves_input) return value(group.result);
  BufferId& known = saved_[static_cast<std::size_t>(group.result)];
  if (known == no_buffer) known = buffer(values(group.result));
  return known;
}

template <class T>
BufferId PlanBuilder<T>::dropout_mask(const Group<T>& group) {
  const auto [found, added] = statistics_.try_emplace({group.dropout, 0}, no_buffer);
  if (added) {
    found->second = buffer<std::uint64_t>(ops::dropout_mask_words(values(group.result)));
  }
  return found->second;
}

template <class T>
BufferId PlanBuilder<T>::gradient(NodeId id) {
  BufferId& known = gradient_buffers_[static_cast<std::size_t>(id)];
  if (known == no_buffer) known = buffer(values(id));
  return known;
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
BufferId PlanBuilder<T>::begin_gradient(NodeId value) {
  return gradient_written_[static_cast<std::size_t>(value)] ? buffer(values(value))
                                                            : gradient(value);
}

template <class T>
void PlanBuilder<T>::finish_gradient(NodeId value, BufferId part) {
  gradient_written_[static_cast<std::size_t>(value)] = true;
  const BufferId sum = gradient(value);
  if (part == sum) return;
  const Index n = values(value);
  step("add gradient", 0.2 * static_cast<double>(n), {sum, part},
       [=](const runtime::Team& team, const Context<T>& context) {
         const runtime::Range range = team.share(n, base::cache_line);
         T* to = context.at(sum) + range.begin;
         runtime::kernels<T>().vector->add(to, context.at(part) + range.begin, to, range.size());
       });
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
  const bool seen = std::find(written.begin(), written.end(), parameter.get()) != written.end();
  if (!seen) written.push_back(parameter.get());
  return {gradients_.find(parameter.get()), seen};
}

template <class T>
void PlanBuilder<T>::step(std::string name, double work, std::vector<BufferId> uses,
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

// Largest first, each at the lowest place where no buffer alive at the same time lies. Times are
// barriers passed: between two barriers a slow thread may still use what a fast one has done with.
template <class T>
std::vector<Index> PlanBuilder<T>::place(Index* arena_bytes) const {
  std::vector<int> time(steps_.size() + 1, 0);
  for (std::size_t i = 0; i < steps_.size(); ++i)
    time[i + 1] = time[i] + (steps_[i].barrier ? 1 : 0);
  const auto alive = [&](const Buffer& b) {
    const auto last = std::min<std::size_t>(static_cast<std::size_t>(b.last), steps_.size());
    return std::pair<int, int>{time[static_cast<std::size_t>(b.first)], time[last]};
  };
  std::vector<std::size_t> by_size;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    if (buffers_[i].first >= 0) by_size.push_back(i);
  }
  std::stable_sort(by_size.begin(), by_size.end(), [&](std::size_t a, std::size_t b) {
    return buffers_[a].bytes > buffers_[b].bytes;
  });

  std::vector<Index> offsets(buffers_.size(), 0);
  *arena_bytes = 0;
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t id : by_size) {
    const auto [first, last] = alive(buffers_[id]);
    const Index line = static_cast<Index>(base::cache_line);
    const Index bytes = (buffers_[id].bytes + line - 1) / line * line;
    Index offset = 0;
    for (const std::size_t other : placed) {
      const auto [other_first, other_last] = alive(buffers_[other]);
      if (other_last < first || last < other_first) continue;
      if (offset + bytes <= offsets[other]) break;
      offset = std::max(offset, offsets[other] + (buffers_[other].bytes + line - 1) / line * line);
    }
    offsets[id] = offset;
    *arena_bytes = std::max(*arena_bytes, offset + bytes);
    const auto position = std::find_if(placed.begin(), placed.end(),
                                       [&](std::size_t other) { return offsets[other] > offset; });
    placed.insert(position, id);
  }
  return offsets;
}

template <class T>
Plan<T> PlanBuilder<T>::finish(BufferId input, BufferId output) {
  Plan<T> plan;
  plan.batch = batch_;
  plan.mode = mode_;
  plan.precision = precision_;
  plan.input = input;
  plan.output = output;
  plan.work = work_;
  plan.offsets = place(&plan.arena_bytes);
  plan.steps = std::move(steps_);
  return plan;
}

template class PlanBuilder<float>;
template class PlanBuilder<double>;

}  // namespace unitgain::nn
