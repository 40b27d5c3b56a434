// Expressions: programs (expression_program.hpp) that run, for a team. Functions of single elements
// are done a block of rows at a time, whose values stay in the core's first cache from one function
// to the next. Neither the blocks nor the order of any sum depends on the team.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "ops/expression_program.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::ops {

template <class T>
struct BoundStep;

// A program for batches of one size.
template <class T>
class Expression {
 public:
  Expression(const ExpressionProgram& program, Index batch,
             Precision precision = Precision::highest);
  ~Expression();
  Expression(const Expression&) = delete;
  Expression& operator=(const Expression&) = delete;

  // Bytes of workspace for a team of that many at most.
  Index workspace(int threads) const;
  // In nanoseconds on one thread, roughly; and how often a team meets on the way.
  double work() const { return work_; }
  int barriers() const { return barriers_; }

  // Inputs and outputs are contiguous; outputs overlap nothing. The team meets at the end, too.
  void run(const runtime::Team& team, const T* const* inputs, T* const* outputs,
           std::byte* workspace) const;

 private:
  Index pointer_bytes_ = 0, thread_bytes_ = 0;    // of one thread
  Index shared_values_ = 0, partial_offset_ = 0;  // scratch and partial sums
  Index product_bytes_ = 0;                       // of one thread's products
  double work_ = 0;
  int barriers_ = 0;
  std::size_t inputs_, outputs_;
  std::vector<Index> scratch_, constant_offsets_;
  std::vector<T> constants_;
  std::vector<std::unique_ptr<BoundStep<T>>> steps_;
};

}  // namespace unitgain::ops
