// The public C++ API of linalg/; tests/linalg/test_svd_and_pinv.py has the tests of what it
// computes.
#include "unitgain/linalg.hpp"

#include <vector>

#include "check.hpp"
#include "memory.hpp"
#include "unitgain/error.hpp"

namespace unitgain::tests {

template <class Error, class Body>
static std::string message(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

UNITGAIN_TYPED_TEST(svd_into_strided_views_reproduces_the_matrix) {
  constexpr Index m = 9, n = 5;
  const auto a = Matrix<T>::random(m, n, 2, 1);
  // u column-major, vt row-major with gaps.
  const Array<T> u(m * n), s(n);
  const auto vt = Matrix<T>::filled(n, n, 3);
  const auto vt_before = vt;
  svd<T>({a.data(), m, n, a.stride, 1}, {u.data(), m, n, 1, m}, s.data(),
         {vt.data(), n, n, vt.stride, 1});
  CHECK(vt.gaps_equal(vt_before), "vt");
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      Reference<T> sum = 0;
      for (Index k = 0; k < n; ++k) sum += Reference<T>(u[i + k * m]) * s[k] * vt(k, j);
      CHECK_NEAR(a(i, j), sum, 50 * epsilon<T>, "i = " << i << ", j = " << j);
    }
  }
}

UNITGAIN_TYPED_TEST(pinv_times_the_matrix_is_the_identity) {
  constexpr Index m = 9, n = 5;
  const auto a = Matrix<T>::random(m, n, 0, 1);
  const Array<T> inverse(n * m);
  pinv<T>({a.data(), m, n, n, 1}, {inverse.data(), n, m, m, 1}, 0);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) {
      Reference<T> sum = 0;
      for (Index k = 0; k < m; ++k) sum += Reference<T>(inverse[i * m + k]) * a(k, j);
      CHECK_NEAR(sum, Reference<T>(i == j), 200 * epsilon<T>, "i = " << i << ", j = " << j);
    }
  }
}

UNITGAIN_TYPED_TEST(stacks_of_small_matrices_stay_within_their_views) {
  constexpr Index m = 7, n = 4, count = 21;
  std::vector<Matrix<T>> as, inverses;
  std::vector<PinvProblem<T>> pinvs;
  for (unsigned i = 0; i < count; ++i) {
    as.push_back(Matrix<T>::random(m, n, 2, i));
    inverses.push_back(Matrix<T>::filled(n, m, 3));
  }
  const auto before = inverses.front();
  for (std::size_t i = 0; i < count; ++i) {
    const auto &a = as[i], &inverse = inverses[i];
    pinvs.push_back({{a.data(), m, n, a.stride, 1}, {inverse.data(), n, m, inverse.stride, 1}, 0});
  }
  pinv<T>(std::span<const PinvProblem<T>>(pinvs));
  for (std::size_t p = 0; p < count; ++p) {
    CHECK(inverses[p].gaps_equal(before), "matrix " << p);
    for (Index i = 0; i < n; ++i) {
      for (Index j = 0; j < n; ++j) {
        Reference<T> sum = 0;
        for (Index k = 0; k < m; ++k) sum += Reference<T>(inverses[p](i, k)) * as[p](k, j);
        CHECK_NEAR(sum, Reference<T>(i == j), 500 * epsilon<T>, "i = " << i << ", j = " << j);
      }
    }
  }
}

UNITGAIN_TYPED_TEST(qr_into_strided_views_reproduces_the_matrix) {
  constexpr Index m = 41, n = 35;
  const auto a = Matrix<T>::random(m, n, 2, 1), q = Matrix<T>::filled(m, n, 1);
  const auto r = Matrix<T>::filled(n, n, 3);
  const auto q_before = q, r_before = r;
  const QrProblem<T> problem = {
      {a.data(), m, n, a.stride, 1}, {q.data(), m, n, q.stride, 1}, {r.data(), n, n, r.stride, 1}};
  qr<T>(std::span<const QrProblem<T>>(&problem, 1));
  CHECK(q.gaps_equal(q_before), "q");
  CHECK(r.gaps_equal(r_before), "r");
  for (Index i = 0; i < m; ++i) {
    for (Index j = 0; j < n; ++j) {
      Reference<T> sum = 0;
      for (Index k = 0; k < n; ++k) sum += Reference<T>(q(i, k)) * r(k, j);
      CHECK_NEAR(a(i, j), sum, 50 * epsilon<T>, "i = " << i << ", j = " << j);
    }
  }
}

UNITGAIN_TYPED_TEST(cholesky_in_place_reproduces_the_matrix) {
  constexpr Index n = 70;
  const auto factor = Matrix<T>::random(n, n, 0, 1);
  const auto a = Matrix<T>::filled(n, n, 2), before = a;
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) {
      a(i, j) = i == j ? static_cast<T>(n) : T(0);
      for (Index k = 0; k < n; ++k) a(i, j) += factor(i, k) * factor(j, k);
    }
  }
  const auto l = a;
  const CholeskyProblem<T> problem = {{l.data(), n, n, l.stride, 1}, {l.data(), n, n, l.stride, 1}};
  cholesky<T>(std::span<const CholeskyProblem<T>>(&problem, 1));
  CHECK(l.gaps_equal(before), "l");
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j <= i; ++j) {
      Reference<T> sum = 0;
      for (Index k = 0; k <= j; ++k) sum += Reference<T>(l(i, k)) * l(j, k);
      CHECK_NEAR(a(i, j), sum, 200 * n * epsilon<T>, "i = " << i << ", j = " << j);
    }
  }
  l(3, 3) = -1;
  CHECK(message<LinAlgError>([&] {
          cholesky<T>(std::span<const CholeskyProblem<T>>(&problem, 1));
        }) == "a is not positive definite: its leading minor of order 4 is not positive",
        "not positive");
}

UNITGAIN_TYPED_TEST(linalg_refuses_shapes_that_do_not_fit) {
  const Array<T> data(64, 1.0);
  const auto view = [&](Index rows, Index cols) {
    return MatrixView<T>{data.data(), rows, cols, cols, 1};
  };
  const MatrixView<const T> a = {data.data(), 4, 3, 3, 1}, b = {data.data(), 3, 4, 4, 1};
  const auto check = [](const std::string& actual, const std::string& expected) {
    CHECK(actual == expected, actual);
  };
  check(message<ValueError>([&] { pinv<T>(a, view(4, 3), 0); }),
        "out has shape (4, 3), but a has shape (4, 3)");
  check(message<ValueError>([&] { svd<T>(a, view(4, 4), data.data(), view(4, 4)); }),
        "u has shape (4, 4) and vt (4, 4), but a has shape (4, 3)");
  check(message<ValueError>([&] { svd<T>(a, view(4, 4), data.data(), MatrixView<T>{}); }),
        "u and vt are given for all matrices of a stack, or for none");
  const PinvProblem<T> stack[] = {{a, view(3, 4), 0}, {b, view(4, 3), 0}};
  check(message<ValueError>([&] { pinv<T>(std::span<const PinvProblem<T>>(stack)); }),
        "a has shape (3, 4), but its stack's first has (4, 3)");
  data[5] = std::numeric_limits<T>::infinity();
  check(message<LinAlgError>([&] { pinv<T>(a, view(3, 4), 0); }),
        "a[1, 2] is inf, but every entry must be finite");
}

}  // namespace unitgain::tests
