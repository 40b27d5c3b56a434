// Constraints of an optimizer's arrays, put in force by a team after an update.
#pragma once

#include <vector>

#include "base/aligned_buffer.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/optimizer.hpp"

namespace unitgain::nn {

// An array as norms take it: each over `length` values that lie `inner` apart.
struct NormLayout {
  Index outer;
  Index length;
  Index inner;
};

// Throws ValueError for axes that the shape has not, or that are no neighbours.
NormLayout norm_layout(const std::vector<int>& axes, const std::vector<Index>& shape);

template <class T>
class Constraints {
 public:
  // Refers to the arrays.
  explicit Constraints(const std::vector<OptimizedArray<T>>& arrays) : arrays_(arrays) {
    read_options();
  }

  // To be called when the arrays' options have changed.
  void read_options();
  bool any_non_negative() const { return any_non_negative_; }
  bool is_non_negative(std::size_t array) const {
    return arrays_[array].options.constraint.kind == ConstraintKind::non_negative;
  }
  // Makes a part of an array non-negative.
  void make_non_negative(std::size_t array, Index first, Index count) const;

  // Scales arrays by their norms, but those without a gradient. The team's updates need not be
  // visible before.
  void scale_by_norms(const runtime::Team& team, const std::vector<const T*>& gradients);
  // Calls the embedding program's constraints, on the thread that asked for the step.
  void call(const std::vector<const T*>& gradients) const;

 private:
  // A whole array that has one norm, taken by the team in blocks.
  struct Single {
    std::size_t array;
    Index length;
    std::vector<double> norms;
  };
  struct Several {
    std::size_t array;
    NormLayout layout;
    base::AlignedBuffer<T> factors;  // of a row of columns
  };
  void scale_rows(const runtime::Team& team, const Several& several) const;
  void scale_columns(const runtime::Team& team, const Several& several) const;

  const std::vector<OptimizedArray<T>>& arrays_;
  bool any_non_negative_ = false, any_custom_ = false;
  std::vector<Single> singles_;
  std::vector<Several> several_;
};

}  // namespace unitgain::nn
