// Parameters, graphs and networks, once for each float type: _native.float32 and _native.float64.
#include <pybind11/stl.h>

#include <optional>

#include "expression.hpp"
#include "gil.hpp"
#include "graph.hpp"
#include "network.hpp"
#include "nn/expression.hpp"
#include "ops/mix.hpp"
#include "python_loss.hpp"
#include "runtime/parallel.hpp"
#include "samples.hpp"

namespace unitgain::bindings {

namespace {

// One batch of all rows of x and y, mixed.
template <class T>
py::tuple mix(const py::array& x, const py::array& y, const MixSpec& spec, std::uint64_t step) {
  py::array keep_x, keep_y;
  const SampleArray inputs = sample_array<T>(x, "x", keep_x);
  const Target target{nullptr, sample_array<T>(y, "y", keep_y)};
  if (target.values.rows != inputs.rows) throw ValueError("x and y have different lengths");
  Samples samples;
  samples.x = {&inputs, 1};
  samples.y = {&target, 1};
  samples.count = inputs.rows;
  samples.mix = spec;
  check_mix(samples);
  py::array_t<T> mixed_x = new_array<T>({inputs.rows, inputs.cols});
  py::array_t<T> mixed_y = new_array<T>({inputs.rows, target.values.cols});
  T *to_x = mixed_x.mutable_data(), *to_y = mixed_y.mutable_data();
  {
    const GilRelease release;
    runtime::parallel(1, [&](const runtime::Team& team) {
      ops::read_inputs<T>(team, samples, 0, step, 0, samples.count, to_x, inputs.cols);
      ops::read_targets<T>(team, samples, 0, step, 0, samples.count, to_y);
    });
  }
  return py::make_tuple(mixed_x, mixed_y);
}

OutputLoss make_output_loss(const std::optional<LossSpec>& loss, std::vector<MetricSpec> metrics,
                            double weight, const py::object& compute, bool joins_rows) {
  OutputLoss made{loss, std::move(metrics), weight};
  if (py::isinstance<py::tuple>(compute)) {  // programs
    const auto programs = py::cast<py::tuple>(compute);
    made.custom = std::make_shared<nn::ExpressionLoss>(expression_program(programs[0]),
                                                       expression_program(programs[1]));
  } else if (!compute.is_none())
    made.custom = std::make_shared<PythonLoss>(compute, joins_rows);
  return made;
}

// The sums of each metric, as copies.
py::list metric_arrays(const Totals& totals) {
  py::list arrays;
  for (const std::vector<double>& sums : totals.metrics) {
    arrays.append(py::array_t<double>(static_cast<Index>(sums.size()), sums.data()));
  }
  return arrays;
}

}  // namespace

void bind_nn(py::module_& module) {
  py::class_<OutputLoss>(module, "OutputLoss", "What training makes small at one output.")
      .def(py::init(&make_output_loss), py::arg("loss"),
           py::arg("metrics") = std::vector<MetricSpec>{}, py::arg("weight") = 1.0,
           py::arg("compute") = py::none(), py::arg("joins_rows") = false);
  py::class_<Totals>(module, "Totals", "Sums over the samples seen.")
      .def(py::init<>())
      .def_readonly("samples", &Totals::samples)
      .def_readonly("loss", &Totals::loss)
      .def_readonly("weight", &Totals::weight)
      .def_readonly("batches", &Totals::batches)
      .def_readonly("diverged", &Totals::diverged)
      .def_readonly("penalty", &Totals::penalty)
      .def_property_readonly("metrics", &metric_arrays)
      .def_readonly("outputs", &Totals::outputs);

  py::enum_<Mixing>(module, "Mixing")
      .value("none", Mixing::none)
      .value("blend", Mixing::blend)
      .value("features", Mixing::features)
      .value("box", Mixing::box);
  py::class_<MixSpec>(module, "MixSpec")
      .def(py::init([](Mixing kind, double alpha, std::uint64_t key, Index height, Index width) {
             return MixSpec{kind, alpha, key, height, width};
           }),
           py::arg("kind") = Mixing::none, py::arg("alpha") = 1.0, py::arg("key") = 0,
           py::arg("height") = 0, py::arg("width") = 0);

  bind_training_runs(module);
  bind_quantization(module);
  py::module_ float32 = module.def_submodule("float32");
  float32.def("mix", &mix<float>, py::arg("x"), py::arg("y"), py::arg("mix"), py::arg("step"));
  bind_graph<float>(float32);
  bind_network<float>(float32);
  py::module_ float64 = module.def_submodule("float64");
  float64.def("mix", &mix<double>, py::arg("x"), py::arg("y"), py::arg("mix"), py::arg("step"));
  bind_graph<double>(float64);
  bind_network<double>(float64);
}

}  // namespace unitgain::bindings
