#include "result.hpp"

#include <algorithm>
#include <cstdlib>

namespace unitgain::bindings {

namespace {

using Shape = std::vector<py::ssize_t>;

// Dense strides in bytes for an array of x's shape whose axes lie in memory in the order of x's: an
// axis goes before those of smaller stride, and one that does not advance stays where it is.
Shape strides_like(const py::array& x) {
  const auto dimensions = static_cast<std::size_t>(x.ndim());
  std::vector<py::ssize_t> axes;
  for (py::ssize_t axis = 0; axis < x.ndim(); ++axis) {
    std::size_t place = axes.size();
    for (std::size_t i = axes.size(); i-- > 0;) {
      const py::ssize_t before = std::abs(x.strides(axes[i])), own = std::abs(x.strides(axis));
      if (before == 0 || own == 0) continue;
      if (before >= own) break;
      place = i;
    }
    axes.insert(axes.begin() + static_cast<std::ptrdiff_t>(place), axis);
  }
  Shape strides(dimensions);
  py::ssize_t stride = x.itemsize();
  for (std::size_t i = dimensions; i-- > 0;) {
    strides[static_cast<std::size_t>(axes[i])] = stride;
    stride *= std::max<py::ssize_t>(x.shape(axes[i]), 1);
  }
  return strides;
}

bool same_elements(const py::array& a, const py::array& b) {
  return a.data() == b.data() && std::equal(a.strides(), a.strides() + a.ndim(), b.strides());
}

}  // namespace

void require_same(const py::array& array, const char* name, const py::array& x) {
  if (!array.dtype().is(x.dtype()) && !array.dtype().equal(x.dtype())) {
    throw TypeError(std::string(name) + " has dtype " +
                    py::cast<std::string>(py::str(array.dtype())) + ", but x has " +
                    py::cast<std::string>(py::str(x.dtype())));
  }
  if (shape_of(array) != shape_of(x)) {
    throw ValueError(std::string(name) + " has shape " + shape_text(array) + ", but x has " +
                     shape_text(x));
  }
}

Result::Result(const py::object& out, const py::array& x, std::initializer_list<py::array> inputs,
               Layout layout) {
  if (!out.is_none()) {
    if (!py::isinstance<py::array>(out)) throw TypeError("out must be an array or None");
    out_ = py::reinterpret_borrow<py::array>(out);
    require_same(out_, "out", x);
    if (!out_.writeable()) throw ValueError("out is read-only");
    const bool fits = layout == Layout::c ? are_flat({out_}) : is_viewable(out_);
    if (fits && std::all_of(inputs.begin(), inputs.end(), [this](const py::array& input) {
          return same_elements(input, out_) || !may_overlap(input, out_);
        })) {
      written_ = out_;
      return;
    }
  }
  const bool plain = layout == Layout::c || are_flat({x});
  written_ = new_array(x.dtype(), shape_of(x), plain ? Shape{} : strides_like(x));
}

py::array Result::finish() {
  if (!out_) return written_;
  if (!out_.is(written_)) {
    called(py::module_::import("numpy").attr("copyto"), py::make_tuple(out_, written_));
  }
  return out_;
}

bool are_flat(std::initializer_list<py::array> arrays) {
  return std::all_of(arrays.begin(), arrays.end(), [](const py::array& array) {
    const int flags = array.flags();
    return (flags & py::array::c_style) && (flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_);
  });
}

}  // namespace unitgain::bindings
