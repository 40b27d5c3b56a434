#include "unitgain/linalg.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "common.hpp"

namespace unitgain::bindings {

namespace {

using Shape = std::vector<py::ssize_t>;

Shape stack_shape(const py::array& a) {
  return {a.shape(), a.shape() + a.ndim() - 2};
}

Index matrices(const Shape& stack) {
  Index count = 1;
  for (const py::ssize_t extent : stack) count *= extent;
  return count;
}

Shape with_matrix(Shape stack, Index rows, Index cols) {
  stack.push_back(rows);
  stack.push_back(cols);
  return stack;
}

// The indices, in its stack, of the matrix that comes `position`-th in C order.
Shape stack_index(const Shape& stack, Index position) {
  Shape index(stack.size());
  for (std::size_t d = stack.size(); d-- > 0;) {
    index[d] = position % stack[d];
    position /= stack[d];
  }
  return index;
}

template <class T>
MatrixView<const T> matrix_at(const py::array& a, const Shape& index) {
  MatrixView<const T> view = matrix_view<T>(a);
  const char* data = static_cast<const char*>(a.data());
  for (std::size_t d = 0; d < index.size(); ++d) {
    data += index[d] * a.strides(static_cast<py::ssize_t>(d));
  }
  view.data = reinterpret_cast<const T*>(data);
  return view;
}

// The `position`-th matrix of a fresh C-contiguous stack.
template <class T>
MatrixView<T> fresh_matrix_at(py::array_t<T>& stack, Index position) {
  MatrixView<T> view = mutable_matrix_view<T>(stack);
  view.data += position * view.rows * view.cols;
  return view;
}

// The error for an entry that is not finite, which names it by its whole index, as NumPy would
// write it.
template <class T>
LinAlgError non_finite(const char* name, const MatrixView<const T>& a, const Shape& stack, Index i,
                       const std::string& within, Entry entry) {
  std::string text = name;
  text += '[';
  for (const py::ssize_t at : stack_index(stack, i)) text += std::to_string(at) + ", ";
  const T value = a.data[entry.row * a.row_stride + entry.col * a.col_stride];
  return LinAlgError(text + within + "] is " + std::to_string(value) +
                     ", but every entry must be finite");
}

std::string index_text(Entry entry) {
  return std::to_string(entry.row) + ", " + std::to_string(entry.col);
}

template <class T>
void require_finite(const char* name, const MatrixView<const T>& a, const Shape& stack, Index i) {
  const std::optional<Entry> entry = find_non_finite(a);
  if (entry) throw non_finite(name, a, stack, i, index_text(*entry), *entry);
}

// Runs a decomposition without the GIL. When it refuses a stack, explain(problem, i) throws the
// error that names the entry.
template <class Problem, class Explain>
void run(void (*decompose)(std::span<const Problem>), const std::vector<Problem>& problems,
         Explain&& explain) {
  try {
    const GilRelease released;
    decompose(problems);
  } catch (const LinAlgError&) {
    for (std::size_t i = 0; i < problems.size(); ++i) {
      explain(problems[i], static_cast<Index>(i));
    }
    throw;
  }
}

template <class Problem>
void run(void (*decompose)(std::span<const Problem>), const std::vector<Problem>& problems,
         const Shape& stack) {
  run(decompose, problems,
      [&](const Problem& problem, Index i) { require_finite("a", problem.a, stack, i); });
}

template <class T>
py::object svd_of(const py::array& a, bool full_matrices, bool vectors) {
  const Shape stack = stack_shape(a);
  const Index m = a.shape(a.ndim() - 2), n = a.shape(a.ndim() - 1), k = std::min(m, n);
  Shape values_shape = stack;
  values_shape.push_back(k);
  py::array_t<T> s = new_array<T>(values_shape), u, vt;
  if (vectors) {
    u = new_array<T>(with_matrix(stack, m, full_matrices ? m : k));
    vt = new_array<T>(with_matrix(stack, full_matrices ? n : k, n));
  }
  std::vector<SvdProblem<T>> problems;
  for (Index i = 0; i < matrices(stack); ++i) {
    SvdProblem<T> problem = {matrix_at<T>(a, stack_index(stack, i)), {}, {}, {}};
    problem.s = s.mutable_data() + i * k;
    if (vectors) {
      problem.u = fresh_matrix_at(u, i);
      problem.vt = fresh_matrix_at(vt, i);
    }
    problems.push_back(problem);
  }
  run<SvdProblem<T>>(svd<T>, problems, stack);
  if (!vectors) return s;
  return py::make_tuple(u, s, vt);
}

template <class T>
py::object pinv_of(const py::array& a, const py::array_t<double>& rcond, bool by_svd) {
  const PinvMethod method = by_svd ? PinvMethod::svd : PinvMethod::automatic;
  const Shape stack = stack_shape(a);
  py::array_t<T> out =
      new_array<T>(with_matrix(stack, a.shape(a.ndim() - 1), a.shape(a.ndim() - 2)));
  std::vector<PinvProblem<T>> problems;
  for (Index i = 0; i < matrices(stack); ++i) {
    problems.push_back(
        {matrix_at<T>(a, stack_index(stack, i)), fresh_matrix_at(out, i), rcond.data()[i], method});
  }
  run<PinvProblem<T>>(pinv<T>, problems, stack);
  return out;
}

enum class QrMode { reduced, complete, r, raw };

template <class T>
py::object qr_of(const py::array& a, QrMode mode) {
  const Shape stack = stack_shape(a);
  const Index m = a.shape(a.ndim() - 2), n = a.shape(a.ndim() - 1), k = std::min(m, n);
  const bool raw = mode == QrMode::raw, has_q = mode <= QrMode::complete;
  const Index vectors = mode == QrMode::complete ? m : k;
  Shape tau_shape = stack;
  tau_shape.push_back(k);
  py::array_t<T> r = new_array<T>(raw ? with_matrix(stack, n, m) : with_matrix(stack, vectors, n));
  py::array_t<T> q, tau;
  if (has_q) q = new_array<T>(with_matrix(stack, m, vectors));
  if (raw) tau = new_array<T>(tau_shape);
  std::vector<QrProblem<T>> problems;
  for (Index i = 0; i < matrices(stack); ++i) {
    QrProblem<T> problem = {matrix_at<T>(a, stack_index(stack, i)), {}, fresh_matrix_at(r, i)};
    if (has_q) problem.q = fresh_matrix_at(q, i);
    if (raw) {
      const MatrixView<T> h = problem.r;
      problem.r = {h.data, m, n, h.col_stride, h.row_stride};
      problem.tau = tau.mutable_data() + i * k;
    }
    problems.push_back(problem);
  }
  run<QrProblem<T>>(qr<T>, problems, stack);
  if (raw) return py::make_tuple(r, tau);
  if (!has_q) return r;
  return py::make_tuple(q, r);
}

template <class T>
MatrixView<T> turned(const MatrixView<T>& a, bool turn) {
  return turn ? MatrixView<T>{a.data, a.cols, a.rows, a.col_stride, a.row_stride} : a;
}

// Throws the error for an entry of the triangle that is not finite, if there is one.
template <class T>
void require_finite_triangle(const MatrixView<const T>& lower, bool upper, const Shape& stack,
                             Index i) {
  for (Index row = 0; row < lower.rows; ++row) {
    for (Index col = 0; col <= row; ++col) {
      if (std::isfinite(lower.data[row * lower.row_stride + col * lower.col_stride])) continue;
      const Entry entry = {row, col};
      throw non_finite("a", lower, stack, i, index_text(upper ? Entry{col, row} : entry), entry);
    }
  }
}

template <class T>
py::object cholesky_of(const py::array& a, bool upper) {
  const Shape stack = stack_shape(a);
  py::array_t<T> out = new_array<T>(shape_of(a));
  std::vector<Index> failed(static_cast<std::size_t>(matrices(stack)), 0);
  std::vector<CholeskyProblem<T>> problems;
  for (Index i = 0; i < matrices(stack); ++i) {
    problems.push_back({turned(matrix_at<T>(a, stack_index(stack, i)), upper),
                        turned(fresh_matrix_at(out, i), upper),
                        &failed[static_cast<std::size_t>(i)]});
  }
  run<CholeskyProblem<T>>(cholesky<T>, problems, [&](const CholeskyProblem<T>& problem, Index i) {
    require_finite_triangle(problem.a, upper, stack, i);
  });
  for (std::size_t i = 0; i < failed.size(); ++i) {
    if (failed[i] == 0) continue;
    std::string name = "a";
    for (const py::ssize_t at : stack_index(stack, static_cast<Index>(i))) {
      name += (name == "a" ? "[" : ", ") + std::to_string(at);
    }
    if (!stack.empty()) name += ']';
    throw LinAlgError(name + " is not positive definite: its leading minor of order " +
                      std::to_string(failed[i]) + " is not positive");
  }
  return out;
}

template <class T>
py::object lstsq_of(const py::array& a, const py::array& b, double rcond) {
  const Shape stack = stack_shape(a);
  const Index m = a.shape(a.ndim() - 2), n = a.shape(a.ndim() - 1), k = std::min(m, n);
  const bool vector = b.ndim() < a.ndim();
  const Index count = vector ? 1 : b.shape(b.ndim() - 1);
  const auto shape = [&](Index extent) {
    Shape extents = stack;
    extents.push_back(extent);
    return extents;
  };
  py::array_t<T> x = new_array<T>(with_matrix(stack, n, count));
  py::array_t<T> residuals = new_array<T>(shape(count)), s = new_array<T>(shape(k));
  py::array_t<Index> ranks(stack);
  std::vector<LstsqProblem<T>> problems;
  for (Index i = 0; i < matrices(stack); ++i) {
    const Shape index = stack_index(stack, i);
    MatrixView<const T> right = {static_cast<const T*>(b.data()), m, count, 0, 0};
    const char* data = static_cast<const char*>(b.data());
    for (std::size_t d = 0; d < index.size(); ++d) {
      data += index[d] * b.strides(static_cast<py::ssize_t>(d));
    }
    right.data = reinterpret_cast<const T*>(data);
    constexpr auto size = static_cast<Index>(sizeof(T));
    right.row_stride = b.strides(b.ndim() - (vector ? 1 : 2)) / size;
    if (!vector) right.col_stride = b.strides(b.ndim() - 1) / size;
    problems.push_back(
        {matrix_at<T>(a, index), right, fresh_matrix_at(x, i), rcond, s.mutable_data() + i * k,
         m > n ? residuals.mutable_data() + i * count : nullptr, ranks.mutable_data() + i});
  }
  run<LstsqProblem<T>>(lstsq<T>, problems, [&](const LstsqProblem<T>& problem, Index i) {
    require_finite("a", problem.a, stack, i);
    const std::optional<Entry> entry = find_non_finite(problem.b);
    if (!entry) return;
    const std::string within = vector ? std::to_string(entry->row) : index_text(*entry);
    throw non_finite("b", problem.b, stack, i, within, *entry);
  });
  return py::make_tuple(x, residuals, ranks, s);
}

}  // namespace

void bind_linalg(py::module_& module) {
  py::enum_<QrMode>(module, "QrMode")
      .value("reduced", QrMode::reduced)
      .value("complete", QrMode::complete)
      .value("r", QrMode::r)
      .value("raw", QrMode::raw);
  module.def(
      "svd",
      [](const py::array& array, bool full_matrices, bool compute_uv) {
        return dispatch_float(array, "a", [&](auto type) {
          return svd_of<decltype(type)>(viewable(array), full_matrices, compute_uv);
        });
      },
      py::arg("a"), py::arg("full_matrices"), py::arg("compute_uv"),
      "(u, s, vt), or s alone, of each matrix of an array of two or more dimensions.");
  module.def(
      "pinv",
      [](const py::array& array, const py::array_t<double, py::array::c_style>& rcond,
         bool by_svd) {
        return dispatch_float(array, "a", [&](auto type) {
          return pinv_of<decltype(type)>(viewable(array), rcond, by_svd);
        });
      },
      py::arg("a"), py::arg("rcond"), py::arg("by_svd"),
      "The pseudoinverse of each matrix; rcond has one value for each, in C order.");
  module.def(
      "qr",
      [](const py::array& array, QrMode mode) {
        return dispatch_float(
            array, "a", [&](auto type) { return qr_of<decltype(type)>(viewable(array), mode); });
      },
      py::arg("a"), py::arg("mode"),
      "(q, r), r alone, or (h, tau) of each matrix of an array of two or more dimensions.");
  module.def(
      "cholesky",
      [](const py::array& array, bool upper) {
        return dispatch_float(array, "a", [&](auto type) {
          return cholesky_of<decltype(type)>(viewable(array), upper);
        });
      },
      py::arg("a"), py::arg("upper"), "The Cholesky factor of each matrix.");
  module.def(
      "lstsq",
      [](const py::array& array, const py::array& b, double rcond) {
        return dispatch_float(array, "a", [&](auto type) {
          return lstsq_of<decltype(type)>(viewable(array), viewable(b), rcond);
        });
      },
      py::arg("a"), py::arg("b"), py::arg("rcond"),
      "(x, residuals, ranks, s) of matrices and as many right-hand sides of the same dtype, "
      "vectors "
      "or matrices.");
}

}  // namespace unitgain::bindings
