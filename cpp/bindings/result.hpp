// The result of an operation that keeps its input's shape: the array that a user gave, or a new
// one.
#pragma once

#include <initializer_list>
#include <vector>

#include "common.hpp"
#include "ops/strided.hpp"

namespace unitgain::bindings {

// TypeError or ValueError unless `array` has x's dtype and shape.
void require_same(const py::array& array, const char* name, const py::array& x);

// The order of the elements in memory of a new array.
enum class Layout {
  c,     // C-contiguous
  like,  // that of x, as NumPy's element-wise functions have it
};

// Where a result of x's shape and dtype is written: into `out` where a kernel can, else into a
// fresh array, which finish() copies to `out`. A kernel may write over an input, but not over one
// that starts elsewhere or has other strides.
class Result {
 public:
  Result(const py::object& out, const py::array& x, std::initializer_list<py::array> inputs,
         Layout layout);

  const py::array& array() const { return written_; }
  void* data() { return written_.mutable_data(); }
  py::array finish();

 private:
  py::array out_ = py::reinterpret_steal<py::array>(py::handle());
  py::array written_ = py::reinterpret_steal<py::array>(py::handle());
};

// Whether all arrays are C-contiguous, and a kernel can run over them as they lie.
bool are_flat(std::initializer_list<py::array> arrays);

// The walk through arrays of one shape and dtype, all viewable.
template <std::size_t count>
ops::Walk<count> walk_through(const py::array (&arrays)[count]) {
  std::vector<typename ops::Walk<count>::Dimension> dimensions;
  for (py::ssize_t d = 0; d < arrays[0].ndim(); ++d) {
    auto& dimension = dimensions.emplace_back();
    dimension.size = arrays[0].shape(d);
    for (std::size_t a = 0; a < count; ++a) {
      dimension.strides[a] = arrays[a].strides(d) / arrays[a].itemsize();
    }
  }
  return ops::Walk<count>(std::move(dimensions));
}

}  // namespace unitgain::bindings
