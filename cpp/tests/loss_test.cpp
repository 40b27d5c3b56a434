#include <cstdint>
#include <functional>
#include <vector>

#include "check.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/loss.hpp"
#include "unitgain/loss.hpp"

namespace unitgain::tests {

namespace {

template <class T>
using Formula = std::function<Reference<T>(Reference<T> y, Reference<T> t)>;

// The losses that are means over a row's elements, as formulas of one.
template <class T>
std::vector<std::pair<LossKind, Formula<T>>> element_losses() {
  using R = Reference<T>;
  return {
      {LossKind::mean_squared_error, [](R y, R t) { return (y - t) * (y - t); }},
      {LossKind::mean_absolute_error, [](R y, R t) { return std::abs(y - t); }},
      {LossKind::huber,
       [](R y, R t) {
         const R e = std::abs(y - t);
         return e <= 1 ? e * e / 2 : e - R(0.5);
       }},
      {LossKind::log_cosh, [](R y, R t) { return std::log(std::cosh(y - t)); }},
      {LossKind::poisson, [](R y, R t) { return y - t * std::log(y + R(1e-7)); }},
      {LossKind::hinge, [](R y, R t) { return std::max(R(0), 1 - t * y); }},
      {LossKind::squared_hinge,
       [](R y, R t) {
         const R margin = std::max(R(0), 1 - t * y);
         return margin * margin;
       }},
      {LossKind::quantile, [](R y, R t) { return std::abs(y - t) / 2; }},
      {LossKind::binary_focal_crossentropy,
       [](R y, R t) {
         const R missing = t * (1 - y) + (1 - t) * y;
         return -missing * missing * (t * std::log(y) + (1 - t) * std::log(1 - y));
       }},
      {LossKind::binary_crossentropy,
       [](R y, R t) { return -(t * std::log(y) + (1 - t) * std::log(1 - y)); }},
  };
}

}  // namespace

// Outputs, targets and gradients end at a page that nobody may touch.
UNITGAIN_TYPED_TEST(element_losses_match_their_formulas) {
  for (const auto& [kind, formula] : element_losses<T>()) {
    for (const Index cols : sizes) {
      if (cols == 0) continue;
      const Index rows = 5;
      const auto y = random_array<T>(rows * cols, 1, 0.05, 0.95);
      const auto t = random_array<T>(rows * cols, 2, 0.0, 1.0);
      const Array<T> gradient(y.size()), scales = {1.0, 0.5, 2.0, 0.0, 1.0};
      const Array<double> losses(rows);
      const LossSpec spec = loss_spec(kind);
      simd::LossRows<T> part{};
      part.outputs = y.data();
      part.targets = t.data();
      part.rows = rows;
      part.cols = cols;
      part.scale = T(0.25);
      part.row_scales = scales.data();
      part.gradient = gradient.data();
      part.row_losses = losses.data();
      runtime::family<simd::LossKernels<T>>().row[static_cast<int>(kind)](spec, part);
      for (Index i = 0; i < rows; ++i) {
        Reference<T> sum = 0;
        for (Index j = i * cols; j < (i + 1) * cols; ++j) {
          sum += formula(y[j], t[j]) / static_cast<Reference<T>>(cols);
          // Two-sided differences, exact enough to tell a wrong derivative from a right one.
          const auto step = Reference<T>(1e-4);
          const Reference<T> slope =
              (formula(y[j] + step, t[j]) - formula(y[j] - step, t[j])) / (2 * step);
          const Reference<T> expected = scales[i] * slope / (4 * static_cast<Reference<T>>(cols));
          CHECK_NEAR(gradient[j], expected, Reference<T>(1e-4) * (std::abs(expected) + 1),
                     loss_info(kind).name << ", cols = " << cols << ", at " << j);
        }
        CHECK_NEAR(losses[i], sum, 16 * epsilon<T> * (1 + sum),
                   loss_info(kind).name << ", cols = " << cols << ", row " << i);
      }
    }
  }
}

// The row losses that need their whole row, on rows of every size up to the guard page.
UNITGAIN_TYPED_TEST(row_losses_stay_within_their_arrays) {
  for (const LossKind kind :
       {LossKind::categorical_crossentropy, LossKind::gaussian_nll, LossKind::kl_divergence,
        LossKind::categorical_hinge, LossKind::cosine_similarity}) {
    for (const bool from_logits : {false, true}) {
      for (const Index cols : sizes) {
        LossSpec spec = loss_spec(kind);
        spec.from_logits = spec.log_variance = from_logits;
        if (cols == 0 || target_cols(spec, cols) * 2 < cols) continue;
        if (kind == LossKind::gaussian_nll && cols % 2 != 0) continue;
        const Index rows = 3;
        const auto y = random_array<T>(rows * cols, 1, 0.1, 1.0);
        const auto t = random_array<T>(rows * target_cols(spec, cols), 2, 0.0, 1.0);
        const Array<T> gradient(y.size()), in_place = y;
        const Array<double> losses(rows), again(rows);
        simd::LossRows<T> part{y.data(), t.data(), nullptr,         rows,          cols,
                               T(1),     nullptr,  gradient.data(), losses.data(), nullptr};
        const auto kernel = runtime::family<simd::LossKernels<T>>().row[static_cast<int>(kind)];
        kernel(spec, part);
        part.outputs = part.gradient = in_place.data();
        part.row_losses = again.data();
        kernel(spec, part);
        for (Index i = 0; i < rows; ++i) {
          CHECK(std::isfinite(losses[i]) && losses[i] == again[i],
                loss_info(kind).name << ", cols = " << cols);
        }
        for (Index i = 0; i < y.size(); ++i) {
          CHECK(gradient[i] == in_place[i], loss_info(kind).name << ", cols = " << cols);
        }
      }
    }
  }
}

UNITGAIN_TEST(a_weighted_sum_of_many_terms_keeps_their_digits) {
  const auto sum = runtime::kernel_table().weighted_sum;
  for (const Index n : sizes) {
    const Array<double> x(n, 0.1), w(n, 3.0);
    CHECK_NEAR(sum(x.data(), nullptr, n), 0.1L * static_cast<long double>(n), 1e-15L * n,
               "n = " << n);
    CHECK_NEAR(sum(x.data(), w.data(), n), 0.3L * static_cast<long double>(n), 1e-15L * n,
               "n = " << n);
  }
}

}  // namespace unitgain::tests
