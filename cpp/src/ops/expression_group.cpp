// Groups: functions of single elements and reductions of rows, for a block of rows after the other.
#include <algorithm>
#include <vector>

#include "ops/expression_steps.hpp"
#include "runtime/dispatch.hpp"
#include "unitgain/error.hpp"

namespace unitgain::ops {

namespace {

// Elements of a block: with a dozen registers it fills no more than a first cache. Tuned on a
// Sapphire Rapids core (48 KB) by benchmarks/expressions.py.
constexpr Index block_elements = 1024;
// The sums over all rows are taken of at most so many parts, and then of these.
constexpr Index most_parts = 64;

template <class T>
constexpr Index in_lines(Index n) {
  constexpr Index line = static_cast<Index>(64 / sizeof(T));
  return (n + line - 1) / line * line;
}

enum class Kind {
  unary,
  binary,
  where,
  activation,
  slope,
  reduce,
  spread_rows,
  spread_columns,
  add
};

template <class T>
using RowFunction = void (*)(const T* x, T* y, Index rows, Index cols);

// Where an operand of the block at a row is: base + row * step, in a register with step 0.
template <class T>
struct Source {
  bool is_register;
  Index id;    // of the buffer; of a register its offset
  Index step;  // elements a row
  bool single;
};

template <class T>
struct BoundInstruction {
  Kind kind;
  Function<T> function;
  RowFunction<T> rows = nullptr;
  Source<T> to, from[3];
  bool by_row;       // one element a row, and not cols of them
  Index sum_offset;  // of an `add`, in a part's sums
  Index sum_width;
  Index add_to;  // the buffer that the sums go to
};

template <class T>
class BoundGroup final : public BoundStep<T> {
 public:
  BoundGroup(const GroupStep& step, Index batch);

  void run(const runtime::Team& team, const StepMemory<T>& memory) const override;
  Index registers() const override { return register_values_; }
  Index partial() const override { return sum_values_ == 0 ? 0 : parts_ * sum_values_; }
  int barriers() const override { return sum_values_ == 0 ? 1 : 2; }

 private:
  Source<T> source(const Place& place) const;
  BoundInstruction<T> bind(const Instruction& instruction);
  void run_block(Index first, Index rows, const StepMemory<T>& memory, T* sums) const;
  void add_parts(const runtime::Team& team, const StepMemory<T>& memory) const;

  Index rows_, cols_, block_rows_, blocks_, part_blocks_, parts_;
  Index full_values_, row_values_, full_registers_;  // of a register, and how many
  Index register_values_, sum_values_ = 0;
  std::vector<BoundInstruction<T>> instructions_;
};

template <class T>
BoundGroup<T>::BoundGroup(const GroupStep& step, Index batch)
    : rows_(step.rows.of(batch)), cols_(step.cols.of(batch)) {
  block_rows_ = std::max<Index>(1, block_elements / std::max<Index>(1, cols_));
  blocks_ = (rows_ + block_rows_ - 1) / block_rows_;
  full_values_ = in_lines<T>(block_rows_ * cols_);
  row_values_ = in_lines<T>(block_rows_);
  full_registers_ = step.full_registers;
  register_values_ = full_registers_ * full_values_ + step.row_registers * row_values_;
  for (const Instruction& instruction : step.instructions) {
    instructions_.push_back(bind(instruction));
  }
  part_blocks_ = sum_values_ == 0 ? 1 : std::max<Index>(1, (blocks_ + most_parts - 1) / most_parts);
  parts_ = (blocks_ + part_blocks_ - 1) / part_blocks_;
  this->work *= static_cast<double>(rows_);
}

template <class T>
Source<T> BoundGroup<T>::source(const Place& place) const {
  Source<T> source{place.is_register, place.id, 0, place.level == Level::single};
  const bool by_row = place.level == Level::row;
  if (place.is_register) {
    source.id =
        by_row ? full_registers_ * full_values_ + place.id * row_values_ : place.id * full_values_;
  } else if (place.level == Level::full) {
    source.step = cols_;
  } else if (by_row) {
    source.step = 1;
  }
  return source;
}

template <class T>
BoundInstruction<T> BoundGroup<T>::bind(const Instruction& instruction) {
  const auto& table = runtime::family<simd::ExpressionKernels<T>>();
  BoundInstruction<T> made{};
  const std::string& name = instruction.function;
  if (instruction.from.empty() || instruction.from.size() > 3) {
    throw ValueError("the function " + name + " of an expression has no operand or too many");
  }
  made.to = source(instruction.to);
  for (std::size_t i = 0; i < instruction.from.size(); ++i) {
    made.from[i] = source(instruction.from[i]);
  }
  const struct {
    const char* name;
    Kind kind;
    RowFunction<T> function;
  } row_functions[] = {
      {"row_sum", Kind::reduce, table.sum},
      {"row_max", Kind::reduce, table.max},
      {"row_min", Kind::reduce, table.min},
      {"row_argmax", Kind::reduce, table.argmax},
      {"spread_rows", Kind::spread_rows, table.spread_rows},
      {"spread_columns", Kind::spread_columns, table.spread_columns},
  };
  for (const auto& known : row_functions) {
    if (name != known.name) continue;
    made.kind = known.kind;
    made.rows = known.function;
    this->work += 0.2 * static_cast<double>(cols_);
    return made;
  }
  made.by_row = instruction.from[0].level == Level::row;
  if (name == "add_columns") {
    made.kind = Kind::add;
    made.sum_offset = sum_values_;
    made.sum_width = made.by_row ? 1 : cols_;
    made.add_to = instruction.to.id;
    sum_values_ += in_lines<T>(made.sum_width);
    this->work += 0.1 * static_cast<double>(cols_);
    return made;
  }
  made.by_row = instruction.to.level == Level::row;
  const double elements = made.by_row ? 1 : static_cast<double>(cols_);
  if (name == "where") {
    made.kind = Kind::where;
    this->work += 0.1 * elements;
    return made;
  }
  made.function = function_named<T>(name);
  this->work += made.function.work * elements;
  made.kind = made.function.unary != nullptr    ? Kind::unary
              : made.function.binary != nullptr ? Kind::binary
              : made.function.slope != nullptr  ? Kind::slope
                                                : Kind::activation;
  return made;
}

template <class T>
void BoundGroup<T>::run_block(Index first, Index rows, const StepMemory<T>& memory, T* sums) const {
  const auto& table = runtime::family<simd::ExpressionKernels<T>>();
  const auto at = [&](const Source<T>& source) -> T* {
    if (source.is_register) return memory.registers + source.id;
    return memory.buffers[source.id] + first * source.step;
  };
  const auto operand = [&](const Source<T>& source) -> simd::Operand<T> {
    return {at(source), source.single};
  };
  for (const BoundInstruction<T>& instruction : instructions_) {
    const Source<T>* from = instruction.from;
    const Index n = instruction.by_row ? rows : rows * cols_;
    switch (instruction.kind) {
      case Kind::unary:
        instruction.function.unary(at(from[0]), at(instruction.to), n);
        break;
      case Kind::binary:
        instruction.function.binary(operand(from[0]), operand(from[1]), at(instruction.to), n);
        break;
      case Kind::where:
        table.where(operand(from[0]), operand(from[1]), operand(from[2]), at(instruction.to), n);
        break;
      case Kind::activation:
        instruction.function.activation(at(from[0]), at(instruction.to), n,
                                        instruction.function.parameters);
        break;
      case Kind::slope:
        instruction.function.slope(at(from[0]), at(from[1]), at(instruction.to), n,
                                   instruction.function.parameters);
        break;
      case Kind::reduce:
      case Kind::spread_rows:
      case Kind::spread_columns:
        instruction.rows(at(from[0]), at(instruction.to), rows, cols_);
        break;
      case Kind::add:
        table.add_columns(at(from[0]), sums + instruction.sum_offset, rows, instruction.sum_width);
        break;
    }
  }
}

template <class T>
void BoundGroup<T>::run(const runtime::Team& team, const StepMemory<T>& memory) const {
  const runtime::Range share = team.share(parts_);
  for (Index part = share.begin; part < share.end; ++part) {
    T* sums = memory.partial + part * sum_values_;
    std::fill_n(sums, sum_values_, T{0});
    const Index end = std::min(blocks_, (part + 1) * part_blocks_);
    for (Index block = part * part_blocks_; block < end; ++block) {
      const Index first = block * block_rows_;
      run_block(first, std::min(block_rows_, rows_ - first), memory, sums);
    }
  }
  if (sum_values_ == 0) return;
  team.barrier();
  add_parts(team, memory);
}

// In the order of the rows.
template <class T>
void BoundGroup<T>::add_parts(const runtime::Team& team, const StepMemory<T>& memory) const {
  for (const BoundInstruction<T>& instruction : instructions_) {
    if (instruction.kind != Kind::add) continue;
    const runtime::Range share = team.share(instruction.sum_width, 64);
    T* to = memory.buffers[instruction.add_to];
    for (Index j = share.begin; j < share.end; ++j) {
      double total = 0;
      for (Index part = 0; part < parts_; ++part) {
        const T* sums = memory.partial + part * sum_values_ + instruction.sum_offset;
        total += static_cast<double>(sums[j]);
      }
      to[j] = static_cast<T>(total);
    }
  }
}

}  // namespace

template <class T>
std::unique_ptr<BoundStep<T>> bind_group(const GroupStep& step, Index batch) {
  return std::make_unique<BoundGroup<T>>(step, batch);
}

template std::unique_ptr<BoundStep<float>> bind_group(const GroupStep&, Index);
template std::unique_ptr<BoundStep<double>> bind_group(const GroupStep&, Index);

}  // namespace unitgain::ops
