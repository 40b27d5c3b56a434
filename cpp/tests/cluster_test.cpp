#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "check.hpp"
#include "memory.hpp"
#include "runtime/cpu.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/cluster.hpp"
#include "simd/kernels/screen.hpp"
#include "unitgain/cluster.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::tests {

namespace {

template <class T>
const simd::ClusterKernels<T>& kernels() {
  return *runtime::kernels<T>().cluster;
}

}  // namespace

UNITGAIN_TYPED_TEST(samples_are_centered_and_their_squares_summed) {
  for (const Index cols : sizes) {
    for (const Index col_stride : {1, 2}) {
      const Index rows = 3, row_stride = cols * col_stride + 1, to_stride = cols + 2;
      const auto x = random_array<T>(rows * row_stride, 1), shift = random_array<T>(cols, 2);
      const Array<T> to(rows * to_stride), squares(rows);
      kernels<T>().center(x.data(), row_stride, col_stride, shift.data(), rows, cols, to.data(),
                          to_stride, squares.data());
      for (Index i = 0; i < rows; ++i) {
        Reference<T> sum = 0;
        for (Index j = 0; j < cols; ++j) {
          const T value = x[i * row_stride + j * col_stride] - shift[j];
          CHECK(to[i * to_stride + j] == value, "cols = " << cols << ", j = " << j);
          sum += static_cast<Reference<T>>(value) * value;
        }
        CHECK_NEAR(squares[i], sum, 20 * epsilon<T> * (sum + 1e-30), "cols = " << cols);
        CHECK(to[i * to_stride + cols] == static_cast<T>(canary), "written beyond");
      }
    }
  }
}

UNITGAIN_TYPED_TEST(the_nearest_is_the_first_of_the_least) {
  for (const Index cols : sizes) {
    if (cols == 0) continue;
    for (const Index rows : {1, 2, 15, 16, 17, 33}) {
      auto products = random_array<T>(rows * cols, 1);
      auto offsets = random_array<T>(cols, 2);
      // Equal values, so that the first of them is asked for.
      for (T& p : products) p = std::round(p * 2);
      for (T& offset : offsets) offset = std::round(offset * 2);
      const Array<T> values(rows), plain_values(rows), seconds(rows);
      const Array<std::int32_t> labels(rows), plain_labels(rows);
      kernels<T>().nearest(products.data(), cols, rows, cols, offsets.data(), plain_labels.data(),
                           plain_values.data());
      kernels<T>().nearest_two(products.data(), cols, rows, cols, offsets.data(), labels.data(),
                               values.data(), seconds.data());
      for (Index i = 0; i < rows; ++i) {
        std::vector<T> all;
        for (Index j = 0; j < cols; ++j) all.push_back(offsets[j] - 2 * products[i * cols + j]);
        const auto least = std::min_element(all.begin(), all.end());
        const Index place = least - all.begin();
        const T value = *least;
        all.erase(least);
        const T second = all.empty() ? std::numeric_limits<T>::infinity()
                                     : *std::min_element(all.begin(), all.end());
        CHECK(labels[i] == place && plain_labels[i] == place, "cols = " << cols << ", i = " << i);
        CHECK(values[i] == value && plain_values[i] == value, "cols = " << cols << ", i = " << i);
        CHECK(seconds[i] == second, "cols = " << cols << ", i = " << i);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(distances_that_cancel_come_from_the_differences) {
  const Index depth = 37, rows = 3;
  for (const Index cols : sizes) {
    auto x = random_array<T>(rows * depth, 1, 5, 6),
         centers = random_array<T>(cols * depth, 2, 5, 6);
    for (Index j = 0; j < std::min(cols, rows); ++j) {
      std::copy_n(x.data() + j * depth, depth, centers.data() + j * depth);
    }
    const Array<T> products(rows * cols), squares(rows), offsets(cols), to(rows * cols);
    const auto dot = [&](const T* a, const T* b) {
      Reference<T> sum = 0;
      for (Index p = 0; p < depth; ++p) sum += static_cast<Reference<T>>(a[p]) * b[p];
      return static_cast<T>(sum);
    };
    for (Index i = 0; i < rows; ++i) {
      const T* row = x.data() + i * depth;
      squares[i] = dot(row, row);
      for (Index j = 0; j < cols; ++j)
        products[i * cols + j] = dot(row, centers.data() + j * depth);
    }
    for (Index j = 0; j < cols; ++j) {
      offsets[j] = dot(centers.data() + j * depth, centers.data() + j * depth);
    }
    kernels<T>().squared_distances(products.data(), cols, rows, cols, squares.data(),
                                   offsets.data(), x.data(), depth, centers.data(), depth, depth,
                                   to.data(), cols);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        Reference<T> sum = 0;
        for (Index p = 0; p < depth; ++p) {
          const Reference<T> step =
              static_cast<Reference<T>>(x[i * depth + p]) - centers[j * depth + p];
          sum += step * step;
        }
        CHECK_NEAR(to[i * cols + j], sum, 40 * epsilon<T> * sum, "cols = " << cols);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(sums_of_clusters_are_those_of_their_samples) {
  for (const Index cols : sizes) {
    const Index rows = 5;
    const auto x = random_array<T>(rows * cols, 1), weights = random_array<T>(rows, 2, 0, 1);
    const Array<std::int32_t> labels = {0, 2, 1, 2, 2};
    const Array<double> sums(3 * cols, 0.0), plain(3 * cols, 0.0);
    kernels<T>().add_to_sums(x.data(), cols, labels.data(), weights.data(), rows, cols,
                             sums.data());
    kernels<T>().add_to_sums(x.data(), cols, labels.data(), nullptr, rows, cols, plain.data());
    kernels<T>().move_in_sums(x.data() + cols, 1.0, cols, plain.data() + 2 * cols, plain.data());
    for (Index j = 0; j < cols; ++j) {
      const double expected = double(weights[1]) * double(x[cols + j]) +
                              double(weights[3]) * double(x[3 * cols + j]) +
                              double(weights[4]) * double(x[4 * cols + j]);
      CHECK(std::abs(sums[2 * cols + j] - expected) < 1e-15 * 8, "j = " << j);
      const double left = double(x[3 * cols + j]) + double(x[4 * cols + j]);
      CHECK(std::abs(plain[2 * cols + j] - left) < 1e-15 * 8, "j = " << j);
      const double joined = double(x[j]) + double(x[cols + j]);
      CHECK(std::abs(plain[j] - joined) < 1e-15 * 8, "j = " << j);
    }
  }
}

UNITGAIN_TYPED_TEST(bounds_hold_and_move_as_the_centers_do) {
  for (const Index n : sizes) {
    const auto values = random_array<T>(n, 1, 0, 1), squares = random_array<T>(n, 2, 1, 2);
    const auto seconds = random_array<T>(n, 3, 1, 3);
    const Array<T> uppers(n), lowers(n);
    const T error = 8 * std::numeric_limits<T>::epsilon();
    kernels<T>().bounds(values.data(), seconds.data(), squares.data(), n, T(1), error,
                        uppers.data(), lowers.data());
    const Array<std::int32_t> labels(n, 0.0), open(n);
    for (Index i = 0; i < n; ++i) {
      labels[i] = static_cast<std::int32_t>(i % 3);
      const auto near = std::sqrt(static_cast<Reference<T>>(values[i]) + squares[i]);
      const auto far = std::sqrt(static_cast<Reference<T>>(seconds[i]) + squares[i]);
      CHECK(uppers[i] > near && lowers[i] < far, "i = " << i);
      CHECK_NEAR(uppers[i], near, 2000 * epsilon<T>, "i = " << i);
      CHECK_NEAR(lowers[i], far, 2000 * epsilon<T>, "i = " << i);
    }
    const Array<T> high = uppers, low = lowers;
    const Array<T> rises = {0.0, 0.25, 0.0}, falls = {0.0, 0.125, 0.0}, halves = {0.0, 0.0, 1.5};
    const Index count =
        kernels<T>().move_bounds(uppers.data(), lowers.data(), labels.data(), rises.data(),
                                 falls.data(), halves.data(), n, 100, open.data());
    Index found = 0;
    for (Index i = 0; i < n; ++i) {
      const Index l = i % 3;
      CHECK(uppers[i] > high[i] + rises[l] && lowers[i] < low[i] - falls[l], "i = " << i);
      CHECK_NEAR(uppers[i], Reference<T>(high[i] + rises[l]), 20 * epsilon<T>, "i = " << i);
      CHECK_NEAR(lowers[i], Reference<T>(low[i] - falls[l]), 20 * epsilon<T>, "i = " << i);
      if (uppers[i] < std::max(lowers[i], halves[l])) continue;
      CHECK(found < count && open[found] == 100 + i, "i = " << i);
      ++found;
    }
    CHECK(found == count, "n = " << n);
  }
}

// The calls of an embedding program.
UNITGAIN_TYPED_TEST(integers_are_as_near_to_the_samples_as_they_say) {
  const simd::ScreenKernels<T>* screen = kernels<T>().screen;
  if (screen == nullptr || !runtime::has_avx512_vnni()) return;
  for (const Index cols : {1, 17, 32, 63, 1000}) {
    const Index rows = 5, stride = (cols + 31) / 32 * 32;
    for (const float most_norm : {32000.0F, 64000.0F}) {
      auto x = random_array<T>(rows * cols, 1);
      const auto shift = random_array<T>(cols, 2);
      for (Index j = 0; j < cols; ++j) {
        x[j] = shift[j];
        x[cols + j] = shift[j] + x[cols + j] * static_cast<T>(1e12);
        if (j > 0) x[2 * cols + j] = shift[j];  // one large value
      }
      const Array<std::int16_t> to(rows * stride);
      const Array<float> scales(rows), norms(rows), errors(rows);
      screen->quantize(x.data(), cols, shift.data(), rows, cols, most_norm, to.data(), stride,
                       scales.data(), norms.data(), errors.data());
      for (Index i = 0; i < rows; ++i) {
        double square = 0, error = 0, whole = 0;
        for (Index j = 0; j < stride; ++j) {
          const double integer = to[i * stride + j];
          whole += integer * integer;
          if (j >= cols) {
            CHECK(integer == 0, "behind the values");
            continue;
          }
          const double value = static_cast<double>(x[i * cols + j] - shift[j]);
          square += value * value;
          error += std::pow(value - static_cast<double>(scales[i]) * integer, 2);
        }
        CHECK(std::sqrt(error) <= static_cast<double>(errors[i]), "cols " << cols << ", row " << i);
        CHECK_NEAR(norms[i], std::sqrt(square), 1e-5 * std::sqrt(square), "cols " << cols);
        CHECK(std::sqrt(whole) <= static_cast<double>(most_norm) + std::sqrt(cols),
              "the products of integers could overflow");
        const double fineness = static_cast<double>(errors[i]) / std::max(std::sqrt(square), 1e-9);
        CHECK(fineness < 2e-5 * (1 + std::sqrt(cols)), "cols " << cols << ", row " << i);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(the_nearest_by_integers_is_the_least_of_all) {
  const simd::ScreenKernels<T>* screen = kernels<T>().screen;
  if (screen == nullptr || !runtime::has_avx512_vnni()) return;
  const Index samples = 120;
  for (const Index cols : {1, 17, 33, 64}) {
    for (const Index clusters : {1, 7, 8, 9, 24}) {
      const Index stride = (cols + 31) / 32 * 32, pairs = (cols + 1) / 2;
      const Index padded = (clusters + 7) / 8 * 8;
      const Array<std::int16_t> x(samples * stride), c(clusters * stride);
      const auto numbers = random_array<T>((samples + clusters) * stride, 3);
      for (Index i = 0; i < (samples + clusters) * stride; ++i) {
        const bool is_inside = i % stride < cols;
        std::int16_t& to = i < samples * stride ? x[i] : c[i - samples * stride];
        to = static_cast<std::int16_t>(is_inside ? numbers[i] * 3000 : 0);
      }
      const Array<std::int32_t> panels(padded * pairs);
      std::fill_n(panels.data(), padded * pairs, 0);
      const Array<float> offsets(padded), steps(padded), scales(samples);
      for (Index j = 0; j < padded; ++j) {
        offsets[j] =
            j < clusters ? static_cast<float>(j % 5) : std::numeric_limits<float>::infinity();
        steps[j] = -1e-6F * static_cast<float>(1 + j % 3);
        for (Index p = 0; p < pairs && j < clusters; ++p) {
          std::int16_t* pair =
              reinterpret_cast<std::int16_t*>(&panels[(j / 8 * pairs + p) * 8 + j % 8]);
          pair[0] = c[j * stride + 2 * p];
          pair[1] = c[j * stride + 2 * p + 1];
        }
      }
      const Array<std::int32_t> order(samples), panel(simd::screen_rows * stride / 2);
      for (Index i = 0; i < samples; ++i) {
        scales[i] = static_cast<float>(1 + i % 4);
        order[i] = static_cast<std::int32_t>(i * 7 % samples);
      }
      for (const Index rows : {1, 16, 17, 47, 48, 49, 112}) {
        for (const bool is_ordered : {false, true}) {
          const Array<std::int32_t> labels(rows);
          const Array<float> values(rows), seconds(rows);
          screen->nearest_two(x.data(), stride, is_ordered ? order.data() : nullptr, rows, cols,
                              scales.data(),
                              {panels.data(), offsets.data(), steps.data(), clusters}, panel.data(),
                              labels.data(), values.data(), seconds.data());
          for (Index i = 0; i < rows; ++i) {
            const std::int16_t* row = x.data() + (is_ordered ? order[i] : i) * stride;
            double least = std::numeric_limits<double>::infinity(), second = least;
            Index label = 0;
            for (Index j = 0; j < clusters; ++j) {
              double product = 0;
              for (Index k = 0; k < cols; ++k) product += 1.0 * row[k] * c[j * stride + k];
              const double value = static_cast<double>(offsets[j]) +
                                   product * static_cast<double>(scales[i] * steps[j]);
              second = std::min(second, std::max(value, least));
              if (value < least) label = j;
              least = std::min(least, value);
            }
            const double tolerance = 1e-6 * (1000 + std::abs(least));
            CHECK(second - least < tolerance || labels[i] == label, "clusters " << clusters);
            CHECK_NEAR(values[i], least, tolerance, "cols " << cols << ", rows " << rows);
            if (clusters > 1) CHECK_NEAR(seconds[i], second, tolerance, "cols " << cols);
          }
        }
      }
    }
  }
}

UNITGAIN_TYPED_TEST(two_groups_are_found) {
  const Array<T> x = {0.0, 0.0, 0.5, 0.0, 10.0, 10.0, 10.5, 10.0};
  const Samples<T> samples = {{x.data(), 4, 2, 2, 1}};
  Array<T> centers(4);
  Index indices[2];
  seed_centers(samples, CenterView<T>{centers.data(), 2}, indices, 2, 1, 0);
  Array<std::int32_t> labels(4, -1.0);
  const LloydResult result =
      lloyd(samples, CenterView<T>{centers.data(), 2}, labels.data(), {20, 0.0});
  CHECK(result.is_stable, "iterations " << result.iterations);
  CHECK(labels[0] == labels[1] && labels[2] == labels[3] && labels[0] != labels[2], "labels");
  const CenterView<const T> found = {centers.data(), 2};
  CHECK(inertia(samples, found, labels.data()) == 0.25, "inertia");
  const Array<T> out(8);
  affinities(samples.x, found, Affinity::distance, 1.0, out.data());
  CHECK_NEAR(out[labels[0]], Reference<T>(0.25), 4 * epsilon<T>, "distance");
  const Index starts[] = {0, 2, 4};
  silhouettes(samples.x, starts, 2, out.data());
  CHECK(out[0] > T(0.9) && out[3] > T(0.9), "silhouettes");
}

}  // namespace unitgain::tests
