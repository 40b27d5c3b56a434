#include "unitgain/linalg.hpp"

#include <algorithm>
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

// Runs a decomposition without the GIL. When it refuses a stack because of an entry that is not
// finite, the error names that entry by its whole index, as NumPy would write it.
template <class T, class Problem>
void run(void (*decompose)(std::span<const Problem>), const std::vector<Problem>& problems,
         const Shape& stack) {
  try {
    const py::gil_scoped_release released;
    decompose(problems);
  } catch (const LinAlgError&) {
    for (std::size_t i = 0; i < problems.size(); ++i) {
      const MatrixView<const T>& a = problems[i].a;
      const std::optional<Entry> entry = find_non_finite(a);
      if (!entry) continue;
      std::string index;
      for (const py::ssize_t at : stack_index(stack, static_cast<Index>(i))) {
        index += std::to_string(at) + ", ";
      }
      const T value = a.data[entry->row * a.row_stride + entry->col * a.col_stride];
      throw LinAlgError("a[" + index + std::to_string(entry->row) + ", " +
                        std::to_string(entry->col) + "] is " + std::to_string(value) +
                        ", but every entry must be finite");
    }
    throw;
  }
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
  run<T, SvdProblem<T>>(svd<T>, problems, stack);
  if (!vectors) return s;
  return py::make_tuple(u, s, vt);
}

template <class T>
py::object pinv_of(const py::array& a, const py::array_t<double>& rcond) {
  const Shape stack = stack_shape(a);
  py::array_t<T> out =
      new_array<T>(with_matrix(stack, a.shape(a.ndim() - 1), a.shape(a.ndim() - 2)));
  std::vector<PinvProblem<T>> problems;
  for (Index i = 0; i < matrices(stack); ++i) {
    problems.push_back(
        {matrix_at<T>(a, stack_index(stack, i)), fresh_matrix_at(out, i), rcond.data()[i]});
  }
  run<T, PinvProblem<T>>(pinv<T>, problems, stack);
  return out;
}

}  // namespace

void bind_linalg(py::module_& module) {
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
      [](const py::array& array, const py::array_t<double, py::array::c_style>& rcond) {
        return dispatch_float(
            array, "a", [&](auto type) { return pinv_of<decltype(type)>(viewable(array), rcond); });
      },
      py::arg("a"), py::arg("rcond"),
      "The pseudoinverse of each matrix; rcond has one value for each, in C order.");
}

}  // namespace unitgain::bindings
