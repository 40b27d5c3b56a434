#include <algorithm>
#include <vector>

#include "check.hpp"
#include "formulas.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/gemm.hpp"
#include "unitgain/rows/activation.hpp"

namespace unitgain::tests {

template <class T>
static const simd::GemmKernels<T>& kernels() {
  return *runtime::kernels<T>().gemm;
}

static Index rounded_up(Index size, Index multiple) {
  return (size + multiple - 1) / multiple * multiple;
}

// A rows x cols matrix with any strides, on memory of exactly the extent that they reach.
template <class T>
struct Strided {
  Strided(Index rows, Index cols, Index row_step, Index col_step)
      : storage(random_array<T>(extent(rows, row_step) + extent(cols, col_step) + 1, 1)),
        first(storage.data() - std::min<Index>(0, row_step) * (rows - 1) -
              std::min<Index>(0, col_step) * (cols - 1)),
        row_stride(row_step),
        col_stride(col_step) {}

  static Index extent(Index size, Index stride) { return std::abs(stride) * (size - 1); }
  T operator()(Index i, Index j) const { return first[i * row_stride + j * col_stride]; }

  Array<T> storage;
  const T* first;
  Index row_stride;
  Index col_stride;
};

// Calls body(matrix) for a rows x cols matrix in row order, column order, with gaps in both,
// reversed in both, and with one row repeated.
template <class T, class Body>
static void for_each_layout(Index rows, Index cols, Body&& body) {
  body(Strided<T>(rows, cols, cols + 3, 1));
  body(Strided<T>(rows, cols, 1, rows + 2));
  body(Strided<T>(rows, cols, 2 * cols + 1, 2));
  body(Strided<T>(rows, cols, -cols, -1));
  body(Strided<T>(rows, cols, 0, 1));
}

static std::vector<Index> widths_around(Index panel) {
  return {1, 2, panel - 1, panel, panel + 1, 2 * panel + 3};
}

UNITGAIN_TYPED_TEST(pack_a_lays_out_panels_of_rows) {
  const Index mr = kernels<T>().mr;
  for (const Index m : widths_around(mr)) {
    for (const Index k : {1, 2, 7, 16, 33}) {
      for_each_layout<T>(m, k, [&](const Strided<T>& a) {
        const Array<T> packed(rounded_up(m, mr) * k);
        kernels<T>().pack_a(a.first, a.row_stride, a.col_stride, m, k, packed.data());
        for (Index at = 0; at < packed.size(); ++at) {
          const Index i = at / (mr * k) * mr + at % mr;
          const Index p = at % (mr * k) / mr;
          CHECK(packed[at] == (i < m ? a(i, p) : T(0)), "m = " << m << ", k = " << k
                                                               << ", row stride " << a.row_stride
                                                               << ", i = " << i << ", p = " << p);
        }
      });
    }
  }
}

UNITGAIN_TYPED_TEST(pack_b_lays_out_panels_of_columns) {
  const Index nr = kernels<T>().nr;
  for (const Index n : widths_around(nr)) {
    for (const Index k : {1, 2, 7, 16, 33}) {
      for_each_layout<T>(k, n, [&](const Strided<T>& b) {
        const Array<T> packed(rounded_up(n, nr) * k);
        kernels<T>().pack_b(b.first, b.row_stride, b.col_stride, k, n, packed.data());
        for (Index at = 0; at < packed.size(); ++at) {
          const Index j = at / (nr * k) * nr + at % nr;
          const Index p = at % (nr * k) / nr;
          CHECK(packed[at] == (j < n ? b(p, j) : T(0)), "n = " << n << ", k = " << k
                                                               << ", row stride " << b.row_stride
                                                               << ", j = " << j << ", p = " << p);
        }
      });
    }
  }
}

// One tile's operands, packed by the contract's words and in place.
template <class T>
struct Tile {
  Tile(Index rows, Index cols, Index depth)
      : m(rows),
        n(cols),
        k(depth),
        a(Matrix<T>::random(rows, depth, 1, 1)),
        b(Matrix<T>::random(depth, cols, 2, 2)),
        packed_a(kernels<T>().mr * depth, 0.0),
        packed_b(kernels<T>().nr * depth, 0.0) {
    pack();
  }

  void pack() const {
    for (Index p = 0; p < k; ++p) {
      for (Index i = 0; i < m; ++i) packed_a[p * kernels<T>().mr + i] = a(i, p);
      for (Index j = 0; j < n; ++j) packed_b[p * kernels<T>().nr + j] = b(p, j);
    }
  }

  void multiply(bool a_is_packed, bool b_is_packed, T alpha, T beta, const Matrix<T>& c) const {
    kernels<T>().tile(k, a_is_packed ? packed_a.data() : a.data(), a_is_packed ? 0 : a.stride,
                      a_is_packed ? simd::packed_panel : 1,
                      {b_is_packed ? packed_b.data() : b.data(),
                       b_is_packed ? simd::packed_panel : b.stride, nullptr, nullptr, 0},
                      alpha, beta, c.data(), c.stride, m, n);
  }

  Index m, n, k;
  Matrix<T> a, b;
  Array<T> packed_a, packed_b;
};

template <class T, class Body>
static void for_each_tile_shape(Body&& body) {
  const Index mr = kernels<T>().mr;
  const Index nr = kernels<T>().nr;
  for (const Index m : {Index{1}, Index{2}, mr / 2 + 1, mr - 1, mr}) {
    for (const Index n : {Index{1}, Index{2}, nr / 2, nr / 2 + 1, nr - 1, nr}) {
      for (const Index k : {0, 1, 2, 3, 7, 64, 129}) body(m, n, k);
    }
  }
}

#define SHAPE "m = " << m << ", n = " << n << ", k = " << k

UNITGAIN_TYPED_TEST(tile_multiplies_and_adds) {
  for_each_tile_shape<T>([](Index m, Index n, Index k) {
    const Tile<T> tile(m, n, k);
    const auto before = Matrix<T>::random(m, n, 3, 3);
    for (const auto& [alpha, beta] : {std::pair{1.0, 0.0}, {1.0, 1.0}, {-0.5, 2.5}, {0.0, 1.0}}) {
      const Matrix<T> c = before;
      tile.multiply(true, true, T(alpha), T(beta), c);
      for (Index i = 0; i < m; ++i) {
        for (Index j = 0; j < n; ++j) {
          Reference<T> expected = 0;
          Reference<T> magnitude = 0;
          for (Index p = 0; p < k; ++p) {
            expected += Reference<T>(tile.a(i, p)) * tile.b(p, j);
            magnitude += std::abs(Reference<T>(tile.a(i, p)) * tile.b(p, j));
          }
          expected = alpha * expected + beta * before(i, j);
          magnitude = std::abs(alpha) * magnitude + std::abs(beta * before(i, j));
          const auto bound = epsilon<T> * static_cast<Reference<T>>(k + 2) * magnitude;
          CHECK_NEAR(c(i, j), expected, bound,
                     SHAPE << ", alpha = " << alpha << ", i = " << i << ", j = " << j);
        }
      }
      CHECK(c.gaps_equal(before), SHAPE);
    }
  });
}

UNITGAIN_TYPED_TEST(tile_does_not_read_c_when_beta_is_zero) {
  const Tile<T> tile(kernels<T>().mr, kernels<T>().nr - 1, 5);
  const auto c = Matrix<T>::filled(tile.m, tile.n, 2, std::numeric_limits<double>::quiet_NaN());
  tile.multiply(true, true, T(1), T(0), c);
  for (Index i = 0; i < tile.m; ++i) {
    for (Index j = 0; j < tile.n; ++j) CHECK(std::isfinite(c(i, j)), "i = " << i << ", j = " << j);
  }
}

// It keeps the bits of a product independent of how it is cut into tiles.
UNITGAIN_TYPED_TEST(tile_sums_in_one_order) {
  for_each_tile_shape<T>([](Index m, Index n, Index k) {
    const Tile<T> tile(m, n, k);
    const auto expected = Matrix<T>::filled(m, n, 3, 0.5);
    tile.multiply(true, true, T(0.75), T(1), expected);
    for (const bool a_is_packed : {false, true}) {
      for (const bool b_is_packed : {false, true}) {
        const auto c = Matrix<T>::filled(m, n, 3, 0.5);
        tile.multiply(a_is_packed, b_is_packed, T(0.75), T(1), c);
        for (Index at = 0; at < c.array.size(); ++at) {
          CHECK(c.array[at] == expected.array[at],
                SHAPE << ", packed " << a_is_packed << b_is_packed << ", at " << at);
        }
      }
    }
    for (const auto& [i, j] : {std::pair<Index, Index>{0, 0}, {m - 1, n - 1}, {m / 2, n / 2}}) {
      const Array<T> alone(1, 0.5);
      kernels<T>().tile(k, &tile.a.array.data()[i * tile.a.stride], tile.a.stride, 1,
                        {&tile.b.array.data()[j], tile.b.stride, nullptr, nullptr, 0}, T(0.75),
                        T(1), alone.data(), 1, 1, 1);
      CHECK(alone[0] == expected(i, j), SHAPE << ", i = " << i << ", j = " << j);
    }
  });
}

UNITGAIN_TYPED_TEST(tile_reads_a_in_column_order) {
  const Index m = kernels<T>().mr - 1, n = 3, k = 9;
  const Tile<T> tile(m, n, k);
  const auto transposed = Matrix<T>::filled(k, m, 1);
  for (Index i = 0; i < m; ++i) {
    for (Index p = 0; p < k; ++p) transposed(p, i) = tile.a(i, p);
  }
  const auto expected = Matrix<T>::filled(m, n, 0);
  tile.multiply(true, true, T(1), T(0), expected);
  const auto c = Matrix<T>::filled(m, n, 0);
  kernels<T>().tile(k, transposed.data(), 1, transposed.stride,
                    {tile.b.data(), tile.b.stride, nullptr, nullptr, 0}, T(1), T(0), c.data(),
                    c.stride, m, n);
  for (Index at = 0; at < m * n; ++at) CHECK(c.array[at] == expected.array[at], "at " << at);
}

UNITGAIN_TYPED_TEST(tile_packs_b_on_the_way) {
  const Index nr = kernels<T>().nr;
  for_each_tile_shape<T>([&](Index m, Index n, Index k) {
    const Tile<T> tile(m, n, k);
    const auto expected = Matrix<T>::filled(m, n, 1);
    tile.multiply(false, true, T(1), T(0), expected);
    const Array<T> packed(nr * k, -1.0);
    const auto c = Matrix<T>::filled(m, n, 1);
    kernels<T>().tile(k, tile.a.data(), tile.a.stride, 1,
                      {tile.b.data(), tile.b.stride, packed.data(), tile.b.data(), tile.b.stride},
                      T(1), T(0), c.data(), c.stride, m, n);
    for (Index at = 0; at < c.array.size(); ++at) {
      CHECK(c.array[at] == expected.array[at], SHAPE << ", at " << at);
    }
    const auto again = Matrix<T>::filled(m, n, 1);
    kernels<T>().tile(k, tile.a.data(), tile.a.stride, 1,
                      {packed.data(), simd::packed_panel, nullptr, nullptr, 0}, T(1), T(0),
                      again.data(), again.stride, m, n);
    for (Index at = 0; at < c.array.size(); ++at) {
      CHECK(again.array[at] == expected.array[at], SHAPE << ", at " << at);
    }
  });
}

UNITGAIN_TYPED_TEST(dots_multiplies_rows_with_rows) {
  const auto thin = [] { return *runtime::kernels<T>().thin_gemm; };
  for (const Index m : {1, 2, 3, 4, 5, 9}) {
    for (const Index n : {1, 2, 3, 4, 6, 13}) {
      for (const Index k : {0, 1, 3, 8, 17, 64, 131}) {
        const auto a = Matrix<T>::random(m, k, 2, 1), b = Matrix<T>::random(n, k, 1, 2);
        for (const auto& [alpha, beta] : {std::pair{1.0, 0.0}, {-0.5, 2.5}}) {
          for (const bool turned : {false, true}) {
            const auto before = Matrix<T>::random(turned ? n : m, turned ? m : n, 2, 3);
            const Matrix<T> c = before;
            thin().dots(k, a.data(), a.stride, m, b.data(), b.stride, n, T(alpha), T(beta),
                        c.data(), turned ? 1 : c.stride, turned ? c.stride : 1);
            for (Index i = 0; i < m; ++i) {
              for (Index j = 0; j < n; ++j) {
                Reference<T> expected = 0, magnitude = 0;
                for (Index p = 0; p < k; ++p) {
                  expected += Reference<T>(a(i, p)) * b(j, p);
                  magnitude += std::abs(Reference<T>(a(i, p)) * b(j, p));
                }
                const T was = turned ? before(j, i) : before(i, j);
                expected = alpha * expected + beta * was;
                magnitude = std::abs(alpha) * magnitude + std::abs(beta * was);
                const auto bound = epsilon<T> * static_cast<Reference<T>>(k + 2) * magnitude;
                CHECK_NEAR(turned ? c(j, i) : c(i, j), expected, bound,
                           SHAPE << ", alpha = " << alpha << ", i = " << i << ", j = " << j);
              }
            }
            CHECK(c.gaps_equal(before), SHAPE);
          }
        }
      }
    }
  }
}

UNITGAIN_TYPED_TEST(shallow_multiplies_and_adds) {
  const simd::ThinGemmKernels<T>& thin = *runtime::kernels<T>().thin_gemm;
  for (Index k = 1; k <= thin.most_depth; ++k) {
    for (const Index n : {1, 3, 4, 8, 15, 16, 17, 33, 64, 65, 131}) {
      for (const Index m : {1, 2, 7}) {
        for_each_layout<T>(m, k, [&](const Strided<T>& a) {
          const auto b = Matrix<T>::random(k, n, 1, 2), before = Matrix<T>::random(m, n, 2, 3);
          for (const auto& [alpha, beta] : {std::pair{1.0, 0.0}, {-0.5, 2.5}, {1.0, 1.0}}) {
            const Matrix<T> c = before;
            thin.shallow(k, a.first, a.row_stride, a.col_stride, b.data(), b.stride, T(alpha),
                         T(beta), c.data(), c.stride, m, n);
            for (Index i = 0; i < m; ++i) {
              for (Index j = 0; j < n; ++j) {
                Reference<T> expected = 0, magnitude = 0;
                for (Index p = 0; p < k; ++p) {
                  expected += Reference<T>(a(i, p)) * b(p, j);
                  magnitude += std::abs(Reference<T>(a(i, p)) * b(p, j));
                }
                expected = alpha * expected + beta * before(i, j);
                magnitude = std::abs(alpha) * magnitude + std::abs(beta * before(i, j));
                const auto bound = epsilon<T> * static_cast<Reference<T>>(k + 2) * magnitude;
                CHECK_NEAR(c(i, j), expected, bound,
                           SHAPE << ", alpha = " << alpha << ", i = " << i << ", j = " << j);
              }
            }
            CHECK(c.gaps_equal(before), SHAPE);
          }
        });
      }
    }
  }
}

UNITGAIN_TYPED_TEST(add_rows_adds_a_product_wherever_it_starts_in_a_cache_line) {
  const simd::ThinGemmKernels<T>& thin = *runtime::kernels<T>().thin_gemm;
  for (const Index m : {1, 2}) {
    for (const Index k : {1, 3, 4, 9}) {
      for (const Index n : {1, 5, 16, 31, 64, 70}) {
        for (const Index gap : {Index{3}, 128 - n}) {
          for (const Index skipped : {0, 1, 3}) {
            const auto a = Matrix<T>::random(m, k, 1, 1);
            const auto b = Matrix<T>::random(k, n + skipped, gap - skipped, 2);
            const auto before = Matrix<T>::random(m, n, 2, 3);
            for (const bool far : {false, true}) {
              const Matrix<T> c = before;
              thin.add_rows(k, a.data(), a.stride, 1, b.data() + skipped, b.stride, far, c.data(),
                            c.stride, m, n);
              for (Index i = 0; i < m; ++i) {
                for (Index j = 0; j < n; ++j) {
                  Reference<T> expected = before(i, j);
                  Reference<T> magnitude = std::abs(expected);
                  for (Index p = 0; p < k; ++p) {
                    const Reference<T> term = Reference<T>(a(i, p)) * b(p, j + skipped);
                    expected += term;
                    magnitude += std::abs(term);
                  }
                  const auto bound = epsilon<T> * static_cast<Reference<T>>(k + 1) * magnitude;
                  CHECK_NEAR(c(i, j), expected, bound, SHAPE << ", i = " << i << ", j = " << j);
                }
              }
              CHECK(c.gaps_equal(before), SHAPE);
            }
          }
        }
      }
    }
  }
}

UNITGAIN_TYPED_TEST(pack_columns_copies_columns) {
  const simd::ThinGemmKernels<T>& thin = *runtime::kernels<T>().thin_gemm;
  for (const Index n : {1, 2, 3, 4, 5, 6, 7, 8, 9}) {
    for (const Index k : {1, 3, 8, 16, 17, 35}) {
      const auto check = [&](const Strided<T>& b) {
        const Array<T> columns(n * (k + 1));
        thin.pack_columns(b.first, b.row_stride, b.col_stride, k, n, columns.data(), k + 1);
        for (Index j = 0; j < n; ++j) {
          for (Index p = 0; p < k; ++p) {
            CHECK(columns[j * (k + 1) + p] == b(p, j),
                  "n = " << n << ", k = " << k << ", row stride " << b.row_stride << ", j = " << j);
          }
        }
      };
      for_each_layout<T>(k, n, check);
      check(Strided<T>(k, n, n, 1));
    }
  }
}

UNITGAIN_TYPED_TEST(store_scales_and_adds) {
  for (const Index m : {1, 3}) {
    for (const Index n : sizes) {
      const auto product = Matrix<T>::random(m, n, 1, 1), before = Matrix<T>::random(m, n, 2, 2);
      for (const auto& [alpha, beta] : {std::pair{1.0, 0.0}, {1.0, 1.0}, {-0.5, 2.5}}) {
        const Matrix<T> c = before;
        kernels<T>().store(product.data(), product.stride, T(alpha), T(beta), c.data(), c.stride, m,
                           n);
        for (Index i = 0; i < m; ++i) {
          for (Index j = 0; j < n; ++j) {
            const Reference<T> left = alpha * Reference<T>(product(i, j));
            const Reference<T> right = beta * Reference<T>(before(i, j));
            CHECK_NEAR(c(i, j), left + right, 2 * epsilon<T> * (std::abs(left) + std::abs(right)),
                       "n = " << n << ", alpha = " << alpha << ", j = " << j);
          }
        }
        CHECK(c.gaps_equal(before), "n = " << n);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(tile_keeps_what_is_not_finite_in_its_row_and_column) {
  const Index m = kernels<T>().mr - 1, n = kernels<T>().nr - 1, k = 6;
  const Tile<T> tile(m, n, k);
  tile.a(1, 2) = std::numeric_limits<T>::infinity();
  tile.b(3, 2) = std::numeric_limits<T>::quiet_NaN();
  tile.pack();
  const auto c = Matrix<T>::filled(m, n, 0);
  tile.multiply(true, true, T(1), T(0), c);
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      const bool nan = j == 2;
      const bool infinite = i == 1 && !nan;
      CHECK(std::isnan(c(i, j)) == nan, "i = " << i << ", j = " << j << ": " << c(i, j));
      CHECK(std::isinf(c(i, j)) == infinite, "i = " << i << ", j = " << j << ": " << c(i, j));
    }
  }
}

UNITGAIN_TYPED_TEST(epilogue_scales_shifts_activates_drops_differentiates_and_sums) {
  const ActivationSpec linear = {};
  const ActivationSpec relu = {Activation::relu, {}};
  const ActivationSpec leaky = {Activation::leaky_relu, {0.25, 0.0}};
  std::vector<std::uint64_t> bits{0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9};
  for (const Index m : {Index{1}, kernels<T>().mr}) {
    for (Index n = 1; n <= kernels<T>().nr; ++n) {
      const auto sums_before = random_array<T>(n, 5);
      // Rows of 1 bit more than columns, from a place that the last rows' bits end at.
      const Index first = 64 - n / 2, width = n + 1;
      bits.resize(static_cast<std::size_t>((first + m * width) / 64 + 2), 0x5851F42D4C957F2D);
      const auto kept = [&](Index i, Index j) {
        const Index at = first + i * width + j;
        return (bits[static_cast<std::size_t>(at / 64)] >> (at % 64) & 1) != 0;
      };
      const auto before = Matrix<T>::random(m, n, 2, 1);
      const auto saved = Matrix<T>::random(m, n, 1, 2);
      const auto scale = random_array<T>(n, 3);
      const auto bias = random_array<T>(n, 4);
      for (int steps = 0; steps < 128; ++steps) {
        const auto has = [steps](int step) { return (steps >> step & 1) != 0; };
        const Matrix<T> c = before;
        const auto output = Matrix<T>::filled(m, n, 3);
        const Matrix<T> output_before = output;
        simd::TileEpilogue<T> epilogue = {};
        if (has(0)) epilogue.scale = scale.data();
        if (has(1)) epilogue.bias = bias.data();
        epilogue.activation = has(2) ? leaky : linear;
        if (has(3)) {
          epilogue.output = output.data();
          epilogue.output_stride = output.stride;
        }
        if (has(4)) {
          epilogue.saved = saved.data();
          epilogue.saved_stride = saved.stride;
          epilogue.derivative = relu;
        }
        if (has(5)) epilogue.dropout = {bits.data(), first, width, T(1.5)};
        const Array<T> sums = sums_before;
        if (has(6)) epilogue.column_sums = sums.data();
        kernels<T>().epilogue(c.data(), c.stride, m, n, epilogue);
        for (Index i = 0; i < m; ++i) {
          for (Index j = 0; j < n; ++j) {
            Reference<T> z = before(i, j);
            if (has(0)) z *= scale[j];
            if (has(1)) z += bias[j];
            Reference<T> y = has(2) ? activation(leaky, z) : z;
            if (has(5)) y = kept(i, j) ? y * Reference<T>(1.5) : Reference<T>(0);
            Reference<T> left = has(3) ? z : y;
            if (has(4) && saved(i, j) <= 0) left = 0;
            CHECK_NEAR(c(i, j), left, 3 * epsilon<T>,
                       "m = " << m << ", n = " << n << ", steps = " << steps << ", j = " << j);
            if (has(5) && !kept(i, j)) CHECK((has(3) ? output : c)(i, j) == 0, "dropped");
            if (!has(3)) continue;
            CHECK_NEAR(output(i, j), y, 3 * epsilon<T>,
                       "m = " << m << ", n = " << n << ", steps = " << steps << ", j = " << j);
          }
        }
        for (Index j = 0; j < n; ++j) {
          Reference<T> sum = sums_before[j];
          for (Index i = 0; has(6) && i < m; ++i) sum += c(i, j);
          CHECK_NEAR(sums[j], sum, 30 * epsilon<T>, "sum, steps = " << steps << ", j = " << j);
        }
        CHECK(c.gaps_equal(before), "m = " << m << ", n = " << n << ", steps = " << steps);
        CHECK(output.gaps_equal(output_before), "m = " << m << ", n = " << n);
      }
    }
  }
}

}  // namespace unitgain::tests
