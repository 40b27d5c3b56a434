#include "ops/prelu.hpp"

#include "common.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::bindings {

namespace {

// The caller, unitgain/activations.py, has made all arrays contiguous, of one dtype, x of a whole
// number of alpha's sizes and the results of the shapes of x and alpha.
void prelu(const py::array& x, const py::array& alpha, py::array out) {
  dispatch_float(x, "x", [&](auto zero) {
    using T = decltype(zero);
    const Index cols = alpha.size(), rows = cols == 0 ? 0 : x.size() / cols;
    const T* from = static_cast<const T*>(x.data());
    const T* slopes = static_cast<const T*>(alpha.data());
    T* to = static_cast<T*>(out.mutable_data());
    const GilRelease release;
    runtime::parallel(
        runtime::threads_for(0.2 * static_cast<double>(rows * cols)),
        [&](const runtime::Team& team) { ops::prelu<T>(team, from, slopes, to, rows, cols); });
  });
}

void prelu_gradient(const py::array& x, const py::array& alpha, const py::array& upstream,
                    py::array gradient, py::array alpha_gradient) {
  dispatch_float(x, "x", [&](auto zero) {
    using T = decltype(zero);
    const Index cols = alpha.size(), rows = cols == 0 ? 0 : x.size() / cols;
    const py::array_t<T> scratch = new_array<T>({x.size()});
    const T* from = static_cast<const T*>(x.data());
    const T* slopes = static_cast<const T*>(alpha.data());
    const T* above = static_cast<const T*>(upstream.data());
    T* to = static_cast<T*>(gradient.mutable_data());
    T* sums = static_cast<T*>(alpha_gradient.mutable_data());
    T* products = const_cast<T*>(scratch.data());
    const GilRelease release;
    runtime::parallel(runtime::threads_for(0.5 * static_cast<double>(rows * cols)),
                      [&](const runtime::Team& team) {
                        ops::prelu_gradient<T>(team, from, slopes, above, to, products, sums, rows,
                                               cols);
                      });
  });
}

}  // namespace

void bind_prelu(py::module_& module) {
  module.def("prelu", &prelu, py::arg("x"), py::arg("alpha"), py::arg("out"),
             "PReLU of contiguous arrays, alpha repeating along x.");
  module.def("prelu_gradient", &prelu_gradient, py::arg("x"), py::arg("alpha"), py::arg("upstream"),
             py::arg("gradient"), py::arg("alpha_gradient"),
             "The gradients of PReLU at x and at alpha, into the last two arrays.");
}

}  // namespace unitgain::bindings
