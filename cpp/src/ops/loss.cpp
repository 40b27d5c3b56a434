#include "ops/loss.hpp"

#include <algorithm>

#include "simd/kernels/loss.hpp"
#include "simd/kernels/softmax.hpp"
#include "unitgain/loss.hpp"

namespace unitgain::ops {

namespace {

constexpr Index row_grain = 16;  // short rows and the results share no cache line

template <class T>
simd::LossRows<T> part_of(simd::LossRows<T> rows, Index target_cols, runtime::Range part) {
  rows.outputs += part.begin * rows.cols;
  if (rows.targets != nullptr) rows.targets += part.begin * target_cols;
  if (rows.labels != nullptr) rows.labels += part.begin;
  if (rows.row_scales != nullptr) rows.row_scales += part.begin;
  if (rows.gradient != nullptr) rows.gradient += part.begin * rows.cols;
  if (rows.predicted != nullptr) rows.predicted += part.begin;
  rows.row_losses += part.begin;
  rows.rows = part.size();
  return rows;
}

}  // namespace

template <class T>
bool are_binary(const T* targets, Index n) {
  return std::all_of(targets, targets + n, [](T t) { return t == T{0} || t == T{1}; });
}

template <class T>
void loss(const runtime::Team& team, const LossSpec& spec, const simd::LossRows<T>& rows) {
  const runtime::Range part = team.share(rows.rows, row_grain);
  runtime::family<simd::LossKernels<T>>().row[static_cast<int>(spec.kind)](
      spec, part_of(rows, target_cols(spec, rows.cols), part));
}

template <class T>
void argmax(const runtime::Team& team, const T* x, Index rows, Index cols, std::int32_t* indices) {
  const runtime::Range part = team.share(rows, row_grain);
  runtime::kernels<T>().softmax->argmax(x + part.begin * cols, part.size(), cols,
                                        indices + part.begin);
}

double loss_divisor(const LossSpec& spec, const std::int32_t* labels, const double* weights,
                    Index rows) {
  if (spec.reduction == Reduction::sum) return 1.0;
  const bool weighted = spec.reduction == Reduction::weighted_mean && weights != nullptr;
  if (!weighted && !spec.ignores_class) return static_cast<double>(rows);
  double sum = 0;
  for (Index i = 0; i < rows; ++i) {
    if (spec.ignores_class && labels[i] == spec.ignore_class) continue;
    sum += weighted ? weights[i] : 1.0;
  }
  return sum;
}

double divide_no_nan(double x, double y) {
  return y == 0.0 ? 0.0 : x / y;
}

template bool are_binary(const float*, Index);
template bool are_binary(const double*, Index);
template void loss(const runtime::Team&, const LossSpec&, const simd::LossRows<float>&);
template void loss(const runtime::Team&, const LossSpec&, const simd::LossRows<double>&);
template void argmax(const runtime::Team&, const float*, Index, Index, std::int32_t*);
template void argmax(const runtime::Team&, const double*, Index, Index, std::int32_t*);

}  // namespace unitgain::ops
