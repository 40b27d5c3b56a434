// The penalty of matrices whose rows, or columns, are not orthogonal.
#pragma once

#include <vector>

#include "base/aligned_buffer.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/optimizer.hpp"

namespace unitgain::nn {

// With u_i = w_i / |w_i| (never more than 1e7 w_i) and n vectors: the penalty is factor / (n (n -
// 1) / 2) times the sum of |u_i . u_j| over i < j. With c that quotient, s_ij = sign(u_i . u_j) and
// r_i = 1 / |w_i|, its gradient at w_i is c (sum over j != i of r_i s_ij r_j w_j - r_i^2 w_i sum
// |u_i . u_j|): a product of a symmetric matrix, made of that of all w_i . w_j, and of the weights.
template <class T>
class Orthogonality {
 public:
  // Memory for such matrices; the products have the precision in force.
  void reserve(Index rows, Index cols, bool columns, int threads);
  // Returns the penalty, to each thread; gradient += its own, unless it is null. What the team
  // wrote to either must be visible at the call.
  double run(const runtime::Team& team, const OptimizedArray<T>& array, T* gradient);

 private:
  void make_symmetric(const runtime::Team& team, Index count, double factor);

  Precision precision_ = Precision::highest;
  base::AlignedBuffer<T> products_;
  base::AlignedBuffer<std::byte> workspace_;
  std::vector<double> lengths_, sums_;
};

}  // namespace unitgain::nn
