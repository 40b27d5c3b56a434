#include "ops/expression.hpp"

#include <algorithm>

#include "ops/expression_steps.hpp"

namespace unitgain::ops {

namespace {

constexpr Index line = 64;

constexpr Index in_lines(Index bytes) {
  return (bytes + line - 1) / line * line;
}

template <class T>
std::unique_ptr<BoundStep<T>> bind(const ExpressionProgram& program, const ProgramStep& step,
                                   Index batch, Precision precision) {
  using Kind = ProgramStep::Kind;
  switch (step.kind) {
    case Kind::group:
      return bind_group<T>(step.group, batch);
    case Kind::copy:
      return bind_copy<T>(step.copy, batch);
    case Kind::product:
      return bind_product<T>(step.product, batch, precision);
    case Kind::gather:
      return bind_gather<T>(step.gather, batch);
    case Kind::cumulative:
      return bind_cumulative<T>(step.cumulative, batch);
    case Kind::fill:
      break;
  }
  const auto to = static_cast<std::size_t>(step.fill.to);
  const std::size_t inputs = program.inputs.size(), outputs = program.outputs.size();
  const BatchSize size = to < inputs             ? program.inputs[to]
                         : to < inputs + outputs ? program.outputs[to - inputs]
                                                 : program.scratch.at(to - inputs - outputs);
  return bind_fill<T>(step.fill, size.of(batch));
}

}  // namespace

template <class T>
Expression<T>::Expression(const ExpressionProgram& program, Index batch, Precision precision)
    : inputs_(program.inputs.size()), outputs_(program.outputs.size()) {
  constexpr auto size = static_cast<Index>(sizeof(T));
  for (const BatchSize& scratch : program.scratch) {
    scratch_.push_back(shared_values_);
    shared_values_ += in_lines(scratch.of(batch) * size) / size;
  }
  for (const std::vector<double>& values : program.constants) {
    constant_offsets_.push_back(static_cast<Index>(constants_.size()));
    for (const double value : values) constants_.push_back(static_cast<T>(value));
  }
  for (const Count& count : program.counts) {
    constant_offsets_.push_back(static_cast<Index>(constants_.size()));
    const auto of = static_cast<double>(count.size.of(batch));
    constants_.push_back(static_cast<T>(count.reciprocal ? count.scale / of : count.scale * of));
  }
  Index registers = 0, partial = 0;
  for (const ProgramStep& step : program.steps) {
    steps_.push_back(bind<T>(program, step, batch, precision));
    const BoundStep<T>& bound = *steps_.back();
    registers = std::max(registers, bound.registers());
    partial = std::max(partial, bound.partial());
    product_bytes_ = std::max(product_bytes_, in_lines(bound.own_bytes()));
    work_ += bound.work + 50;
    barriers_ += bound.barriers();
  }
  partial_offset_ = shared_values_;
  shared_values_ += in_lines(partial * size) / size;
  pointer_bytes_ = in_lines(program.buffer_count() * static_cast<Index>(sizeof(T*)));
  thread_bytes_ = pointer_bytes_ + in_lines(registers * size) + product_bytes_;
}

template <class T>
Expression<T>::~Expression() = default;

template <class T>
Index Expression<T>::workspace(int threads) const {
  Index team_bytes = 0;
  for (const auto& step : steps_) team_bytes = std::max(team_bytes, step->team_bytes(threads));
  return shared_values_ * static_cast<Index>(sizeof(T)) + threads * thread_bytes_ +
         in_lines(team_bytes);
}

template <class T>
void Expression<T>::run(const runtime::Team& team, const T* const* inputs, T* const* outputs,
                        std::byte* workspace) const {
  T* shared = reinterpret_cast<T*>(workspace);
  std::byte* own = workspace + shared_values_ * static_cast<Index>(sizeof(T));
  std::byte* team_bytes = own + team.size() * thread_bytes_;
  own += team.rank() * thread_bytes_;
  T** buffers = reinterpret_cast<T**>(own);
  T** next = buffers;
  // Read only: no step writes to an input or a constant.
  for (std::size_t i = 0; i < inputs_; ++i) *next++ = const_cast<T*>(inputs[i]);
  for (std::size_t i = 0; i < outputs_; ++i) *next++ = outputs[i];
  for (const Index offset : scratch_) *next++ = shared + offset;
  for (const Index offset : constant_offsets_) *next++ = const_cast<T*>(constants_.data()) + offset;
  const StepMemory<T> memory{buffers, reinterpret_cast<T*>(own + pointer_bytes_),
                             shared + partial_offset_, own + thread_bytes_ - product_bytes_,
                             team_bytes};
  for (const auto& step : steps_) {
    step->run(team, memory);
    team.barrier();
  }
}

template class Expression<float>;
template class Expression<double>;

}  // namespace unitgain::ops
