#include "nn/orthogonalize.hpp"

#include <algorithm>
#include <utility>

#include "ops/gemm.hpp"
#include "ops/grain.hpp"
#include "ops/norm.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::nn {

namespace {

template <class T>
MatrixView<const T> view(const T* data, Index rows, Index cols) {
  return {data, rows, cols, cols, 1};
}

template <class T>
MatrixView<const T> transposed(const T* data, Index rows, Index cols) {
  return {data, cols, rows, 1, cols};
}

template <class T>
void copy(const runtime::Team& team, const T* from, T* to, Index n) {
  const runtime::Range part = team.share(n, ops::element_grain);
  std::copy(from + part.begin, from + part.end, to + part.begin);
}

// The memory behind a buffer, at least that large; the content is lost if it grows.
template <class T>
void grow(base::AlignedBuffer<T>& buffer, Index size) {
  if (buffer.size() < size) {
    buffer = base::AlignedBuffer<T>(size, "the orthogonalisation of an update");
  }
}

}  // namespace

template <class T>
void Orthogonalizer<T>::reserve(Index rows, Index cols, int threads) {
  const Index small = std::min(rows, cols);
  precision_ = float32_matmul_precision();
  grow(next_, rows * cols);
  grow(gram_, small * small);
  grow(polynomial_, small * small);
  // A team may turn out smaller than asked for, and its blocks then larger.
  for (int team_size = 1; team_size <= threads; ++team_size) {
    const auto product = [&](Index m, Index n, Index k) {
      return ops::gemm_workspace<T>(m, n, k, team_size, precision_);
    };
    grow(workspace_, std::max({product(small, small, rows * cols / small),
                               product(small, small, small), product(rows, cols, small)}));
  }
  const auto blocks = static_cast<std::size_t>(rows * cols / ops::norm_block + 1);
  if (norms_.size() < blocks) norms_.resize(blocks);
}

template <class T>
double Orthogonalizer<T>::work(Index rows, Index cols) const {
  const Index small = std::min(rows, cols);
  return spec_.ns_steps *
         (2 * ops::gemm_work(rows, cols, small) + ops::gemm_work(small, small, small));
}

template <class T>
void Orthogonalizer<T>::normalize(const runtime::Team& team, T* x, Index n) {
  const Index blocks = (n + ops::norm_block - 1) / ops::norm_block;
  const runtime::Range mine = team.share(blocks, 1);
  for (Index i = mine.begin; i < mine.end; ++i) {
    const Index first = i * ops::norm_block;
    norms_[static_cast<std::size_t>(i)] =
        ops::block_norm(x + first, std::min(ops::norm_block, n - first));
  }
  team.barrier();
  const double divisor = ops::combined_norm(norms_.data(), blocks) + 1e-7;
  const runtime::Range part = team.share(n, ops::element_grain);
  for (Index i = part.begin; i < part.end; ++i) {
    x[i] = static_cast<T>(static_cast<double>(x[i]) / divisor);
  }
  team.barrier();
}

template <class T>
const T* Orthogonalizer<T>::run(const runtime::Team& team, T* x, Index rows, Index cols) {
  const bool wide = rows <= cols;
  const Index small = std::min(rows, cols);
  T *gram = gram_.data(), *polynomial = polynomial_.data(), *next = next_.data();
  normalize(team, x, rows * cols);
  const auto multiply = [&](MatrixView<const T> a, MatrixView<const T> b, T* c, double alpha,
                            double beta) {
    ops::Gemm<T> product{a, b, {c, a.rows, b.cols, b.cols, 1}};
    product.alpha = static_cast<T>(alpha);
    product.beta = static_cast<T>(beta);
    product.precision = precision_;
    ops::gemm(team, product, workspace_.data());
    team.barrier();
  };
  for (int step = 0; step < spec_.ns_steps; ++step) {
    const auto plain = view<T>(x, rows, cols), turned = transposed<T>(x, rows, cols);
    multiply(wide ? plain : turned, wide ? turned : plain, gram, 1, 0);
    copy(team, gram, polynomial, small * small);
    copy<T>(team, x, next, rows * cols);
    team.barrier();
    const auto square = view<T>(gram, small, small), left = view<T>(polynomial, small, small);
    multiply(square, square, polynomial, spec_.muon_c, spec_.muon_b);
    multiply(wide ? left : plain, wide ? plain : left, next, 1, spec_.muon_a);
    std::swap(x, next);
  }
  return x;
}

template class Orthogonalizer<float>;
template class Orthogonalizer<double>;

}  // namespace unitgain::nn
