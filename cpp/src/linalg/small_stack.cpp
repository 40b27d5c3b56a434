#include "linalg/small_stack.hpp"

#include <algorithm>
#include <cmath>

#include "linalg/certificate.hpp"
#include "linalg/extended_pinv.hpp"
#include "linalg/svd.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/workspace.hpp"
#include "simd/kernels/small_linalg.hpp"

namespace unitgain::linalg {

namespace {

// Of 64 columns, the singular value decomposition takes lanes three quarters of the time of one
// matrix after the other in float, and 1.4 times as long in double (2 cores of Zen 5). What a group
// works on should stay in a second-level cache.
template <class T>
constexpr Index most_columns = std::is_same_v<T, float> ? 64 : 48;
constexpr Index most_elements = 64 * 64;

template <class T>
const simd::SmallLinalgKernels<T>& kernels() {
  return runtime::family<simd::SmallLinalgKernels<T>>();
}

// A group of matrices that go through the kernels together. Lanes beyond `count` repeat the last.
template <class T>
struct Group {
  Index first;
  Index count;
  int exponents[64];  // the most lanes that a vector could have
};

template <class T>
simd::Interleaved<T> take_interleaved(Carver& carver, Index rows, Index cols) {
  return {carver.take<T>(rows * cols * kernels<T>().lanes), rows, cols};
}

template <class T>
simd::InterleavedQr<T> take_qr(Carver& carver, Index rows, Index cols) {
  const Index lanes = kernels<T>().lanes;
  simd::InterleavedQr<T> qr;
  qr.vectors = take_interleaved<T>(carver, rows, cols);
  qr.factor = carver.take<T>(cols * lanes);
  qr.diagonal = carver.take<T>(cols * lanes);
  return qr;
}

// The matrices, tall: element (i, j) of the l-th from view(l). False if one is not finite.
template <class T, class View>
bool load_group(const simd::Interleaved<T>& to, Group<T>& group, View&& view) {
  const Index lanes = kernels<T>().lanes;
  for (Index l = 0; l < lanes; ++l) {
    const MatrixView<const T> a = view(group.first + std::min(l, group.count - 1));
    T* out = to.data + l;
    for (Index j = 0; j < to.cols; ++j) {
      const T* from = a.data + j * a.col_stride;
      for (Index i = 0; i < to.rows; ++i, out += lanes) *out = from[i * a.row_stride];
    }
  }
  T largest[64], first[64], second[64];
  kernels<T>().max_abs(to, largest);
  for (Index l = 0; l < lanes; ++l) {
    if (std::isnan(largest[l])) return false;
    group.exponents[l] = largest[l] > 0 ? scaled_exponent<T> - std::ilogb(largest[l]) : 0;
    const PowerOfTwo<T> factor(group.exponents[l]);
    first[l] = factor.first;
    second[l] = factor.second;
  }
  kernels<T>().scale(to, first, second);
  return true;
}

// Deals groups of a stack out to threads: solve(group, memory) for each, with `bytes` of memory.
template <class T, class Solve>
void solve_groups(Index count, const Cost& cost, Index bytes, Solve&& solve) {
  const Index lanes = kernels<T>().lanes;
  const Index groups = (count + lanes - 1) / lanes;
  const runtime::TeamSize size =
      runtime::threads_for(cost.nanoseconds * static_cast<double>(count));
  bytes = runtime::thread_bytes(bytes);
  std::byte* const workspace = runtime::thread_workspace(bytes * size.threads, cost.purpose);
  runtime::parallel(size, [&](const runtime::Team& team) {
    const runtime::Range mine = team.share(groups);
    for (Index g = mine.begin; g < mine.end; ++g) {
      Group<T> group = {g * lanes, std::min(lanes, count - g * lanes), {}};
      solve(group, workspace + team.rank() * bytes);
    }
  });
}

// ---- the pseudoinverse ----

template <class T>
struct PinvMemory {
  simd::InterleavedQr<T> qr;
  simd::Interleaved<T> inverse;
  T* squares;
  T* condition;

  PinvMemory(Carver& carver, Index rows, Index cols)
      : qr(take_qr<T>(carver, rows, cols)),
        inverse(take_interleaved<T>(carver, rows, cols)),
        squares(carver.take<T>(cols * kernels<T>().lanes)),
        condition(carver.take<T>(kernels<T>().lanes)) {}
};

// ---- the singular value decomposition ----

template <class T>
struct SvdMemory {
  simd::InterleavedQr<T> qr;
  simd::Interleaved<T> right;  // R^T J
  simd::Interleaved<T> left;   // J, and then Q J; data is null if it is not wanted
  Index* order;
  T* squares;
  T* lengths;

  SvdMemory(Carver& carver, Index rows, Index cols, Index left_vectors)
      : qr(take_qr<T>(carver, rows, cols)),
        right(take_interleaved<T>(carver, cols, cols)),
        left{nullptr, rows, cols},
        order(carver.take<Index>(cols * kernels<T>().lanes)),
        squares(carver.take<T>(cols * kernels<T>().lanes)),
        lengths(carver.take<T>(cols * kernels<T>().lanes)) {
    if (left_vectors > 0) left = take_interleaved<T>(carver, rows, left_vectors);
  }
};

// Writes what lane l found: s, and the rows of left_out and right_out. False, with nothing written,
// if some singular values are null, whose vectors lanes do not complete.
template <class T>
bool store_lane(const SvdMemory<T>& memory, Index l, int exponent, MatrixView<T> left_out, T* s,
                MatrixView<T> right_out) {
  const Index lanes = kernels<T>().lanes, n = memory.qr.vectors.cols;
  Index order[most_columns<T>];
  T length[most_columns<T>];
  bool complete = true;
  for (Index k = 0; k < n; ++k) {
    order[k] = k;
    const bool null = memory.squares[k * lanes + l] < negligible_square<T>;
    length[k] = null ? 0 : memory.lengths[k * lanes + l];
    complete = complete && !null;
  }
  if (!complete) return false;
  std::sort(order, order + n, [&](Index i, Index j) {
    return length[i] != length[j] ? length[i] > length[j] : i < j;
  });
  const PowerOfTwo<T> unscale(-exponent);
  for (Index k = 0; k < n; ++k) s[k] = unscale(length[order[k]]);
  if (left_out.data == nullptr) return true;

  for (Index k = 0; k < left_out.rows; ++k) {
    const Index j = k < n ? order[k] : k;
    const T* from = memory.left.data + j * memory.left.rows * lanes + l;
    T* const to = left_out.data + k * left_out.row_stride;
    for (Index i = 0; i < left_out.cols; ++i) to[i * left_out.col_stride] = from[i * lanes];
  }
  for (Index k = 0; k < n; ++k) {
    const T* from = memory.right.data + order[k] * n * lanes + l;
    const T factor = 1 / length[order[k]];
    T* const to = right_out.data + k * right_out.row_stride;
    for (Index i = 0; i < n; ++i) {
      to[memory.order[i * lanes + l] * right_out.col_stride] = factor * from[i * lanes];
    }
  }
  return true;
}

}  // namespace

template <class T>
bool pay_lanes(Index count, Index rows, Index cols) {
  return cols > 0 && cols <= most_columns<T> && rows * cols <= most_elements &&
         2 * count >= kernels<T>().lanes;
}

template <class T>
void pinv_in_lanes(std::span<const PinvProblem<T>> problems, const Cost& cost, Waiting& waiting) {
  const std::vector<std::size_t> todo = waiting.todo();
  const MatrixView<const T>& shape = problems.front().a;
  const bool wide = shape.rows < shape.cols;
  const Index rows = std::max(shape.rows, shape.cols), cols = std::min(shape.rows, shape.cols);
  const simd::SmallLinalgKernels<T>& lane = kernels<T>();
  Carver measure(nullptr);
  PinvMemory<T>(measure, rows, cols);
  solve_groups<T>(
      static_cast<Index>(todo.size()), cost, measure.used(),
      [&](Group<T>& group, std::byte* memory) {
        Carver carver(memory);
        const PinvMemory<T> parts(carver, rows, cols);
        const auto index = [&](Index i) { return todo[static_cast<std::size_t>(i)]; };
        const auto problem = [&](Index i) { return problems[index(i)]; };
        if (!load_group<T>(parts.qr.vectors, group, [&](Index i) {
              return wide ? transposed(problem(i).a) : problem(i).a;
            })) {
          return;
        }
        lane.factor(parts.qr, nullptr, parts.squares);
        lane.invert_r(parts.qr, parts.inverse, parts.condition);
        lane.apply_q(parts.qr, parts.inverse);
        for (Index l = 0; l < group.count; ++l) {
          const PinvProblem<T> p = problem(group.first + l);
          const auto condition = static_cast<double>(parts.condition[l]);
          if (needs_more<T, T>(condition, rows, cols) || !is_certain<T>(condition, p.rcond, cols)) {
            continue;
          }
          waiting.settle(index(group.first + l));
          const MatrixView<T> out = wide ? transposed(p.out) : p.out;
          const PowerOfTwo<T> factor(group.exponents[l]);
          const T* from = parts.inverse.data + l;
          for (Index k = 0; k < cols; ++k) {
            T* const to = out.data + k * out.row_stride;
            for (Index i = 0; i < rows; ++i, from += lane.lanes) {
              to[i * out.col_stride] = factor(*from);
            }
          }
        }
      });
}

template <class T>
void svd_in_lanes(std::span<const SvdProblem<T>> problems, const Cost& cost, Waiting& waiting) {
  const std::vector<std::size_t> todo = waiting.todo();
  const SvdProblem<T>& first = problems.front();
  const bool wide = first.a.rows < first.a.cols;
  const Index rows = std::max(first.a.rows, first.a.cols);
  const Index cols = std::min(first.a.rows, first.a.cols);
  const Index left_vectors = first.u.data == nullptr ? 0 : wide ? first.vt.rows : first.u.cols;
  const simd::JacobiLimits limits = {std::sqrt(negligible_square<T>), 60};
  const simd::SmallLinalgKernels<T>& lane = kernels<T>();
  Carver measure(nullptr);
  SvdMemory<T>(measure, rows, cols, left_vectors);
  solve_groups<T>(
      static_cast<Index>(todo.size()), cost, measure.used(),
      [&](Group<T>& group, std::byte* memory) {
        Carver carver(memory);
        const SvdMemory<T> parts(carver, rows, cols, left_vectors);
        const auto index = [&](Index i) { return todo[static_cast<std::size_t>(i)]; };
        const auto problem = [&](Index i) { return problems[index(i)]; };
        if (!load_group<T>(parts.qr.vectors, group, [&](Index i) {
              return wide ? transposed(problem(i).a) : problem(i).a;
            })) {
          return;
        }
        lane.factor(parts.qr, parts.order, parts.squares);
        lane.orthogonalize(parts.qr, parts.right, parts.left, parts.squares, parts.lengths, limits);
        if (left_vectors > 0) lane.apply_q(parts.qr, parts.left);
        for (Index l = 0; l < group.count; ++l) {
          const SvdProblem<T> p = problem(group.first + l);
          const int exponent = group.exponents[l];
          const bool stored = wide ? store_lane(parts, l, exponent, p.vt, p.s, transposed(p.u))
                                   : store_lane(parts, l, exponent, transposed(p.u), p.s, p.vt);
          if (stored) waiting.settle(index(group.first + l));
        }
      });
}

#define UNITGAIN_INSTANTIATE(T)                                                           \
  template bool pay_lanes<T>(Index, Index, Index);                                        \
  template void pinv_in_lanes<T>(std::span<const PinvProblem<T>>, const Cost&, Waiting&); \
  template void svd_in_lanes<T>(std::span<const SvdProblem<T>>, const Cost&, Waiting&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
