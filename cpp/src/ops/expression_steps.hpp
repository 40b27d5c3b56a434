// The steps of an expression with their sizes known, and the functions that groups are made of.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "ops/expression_program.hpp"
#include "runtime/parallel.hpp"
#include "simd/kernels/expression.hpp"

namespace unitgain::ops {

// What a step works with: the program's buffers by their numbers, and memory of the thread's own
// and of the team's.
template <class T>
struct StepMemory {
  T* const* buffers;
  T* registers;     // of the thread
  T* partial;       // the team's
  std::byte* own;   // for products of the thread
  std::byte* team;  // for products of the team
};

template <class T>
struct BoundStep {
  virtual ~BoundStep() = default;
  // Ends without a barrier.
  virtual void run(const runtime::Team& team, const StepMemory<T>& memory) const = 0;
  // Numbers of T, of a thread's registers and the team's partial sums; bytes for products.
  virtual Index registers() const { return 0; }
  virtual Index partial() const { return 0; }
  virtual Index own_bytes() const { return 0; }
  virtual Index team_bytes(int /*threads*/) const { return 0; }
  virtual int barriers() const { return 1; }
  double work = 0;
};

template <class T>
std::unique_ptr<BoundStep<T>> bind_group(const GroupStep& step, Index batch);
template <class T>
std::unique_ptr<BoundStep<T>> bind_copy(const CopyStep& step, Index batch);
template <class T>
std::unique_ptr<BoundStep<T>> bind_fill(const FillStep& step, Index size);
template <class T>
std::unique_ptr<BoundStep<T>> bind_product(const ProductStep& step, Index batch,
                                           Precision precision);
template <class T>
std::unique_ptr<BoundStep<T>> bind_gather(const GatherStep& step, Index batch);
template <class T>
std::unique_ptr<BoundStep<T>> bind_cumulative(const CumulativeStep& step, Index batch);

// A function by its name: one of these is there.
template <class T>
struct Function {
  simd::UnaryFunction<T> unary = nullptr;
  simd::BinaryFunction<T> binary = nullptr;
  // As activations have them: forward(x, y, n, parameters), gradient(x, upstream, y, n, ...).
  void (*activation)(const T* x, T* y, Index n, const double* parameters) = nullptr;
  void (*slope)(const T* x, const T* upstream, T* y, Index n, const double* parameters) = nullptr;
  const double* parameters = nullptr;
  double work = 0.3;  // nanoseconds an element
};

// Throws ValueError for an unknown name.
template <class T>
Function<T> function_named(const std::string& name);

}  // namespace unitgain::ops
