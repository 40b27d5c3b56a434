// Parameters, graphs and networks, once for each float type: _native.float32 and _native.float64.
#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <optional>

#include "arguments.hpp"
#include "common.hpp"
#include "ops/mix.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/network.hpp"
#include "unitgain/noise.hpp"

namespace unitgain::bindings {

namespace {

// A two-dimensional array as samples; `keep` holds what the samples point into.
template <class T>
SampleArray sample_array(const py::array& array, const char* name, py::array& keep) {
  if (array.ndim() != 2) {
    throw ValueError(std::string(name) + " has shape " + shape_text(array) +
                     ", expected two dimensions: samples and features");
  }
  keep = viewable(array);
  ElementType type;
  if (py::isinstance<py::array_t<float>>(keep)) {
    type = ElementType::float32;
  } else if (py::isinstance<py::array_t<double>>(keep)) {
    type = ElementType::float64;
  } else if (py::isinstance<py::array_t<std::uint8_t>>(keep)) {
    type = ElementType::uint8;
  } else if (py::isinstance<py::array_t<std::int32_t>>(keep)) {
    type = ElementType::int32;
  } else if (py::isinstance<py::array_t<std::int64_t>>(keep)) {
    type = ElementType::int64;
  } else if (const char kind = keep.dtype().kind();
             kind == 'b' || kind == 'i' || kind == 'u' || kind == 'f') {
    keep = py::array_t<T, py::array::c_style | py::array::forcecast>(keep);
    type = sizeof(T) == sizeof(float) ? ElementType::float32 : ElementType::float64;
  } else {
    throw TypeError(std::string(name) + " has dtype " +
                    py::cast<std::string>(py::str(keep.dtype())) + ", expected numbers");
  }
  return {keep.data(), type, keep.shape(0), keep.shape(1), keep.strides(0), keep.strides(1)};
}

using Labels = py::array_t<std::int32_t, py::array::c_style>;
using Order = py::array_t<Index, py::array::c_style>;

// Python's view of a pass's progress: the callback may raise, and so does a pending Ctrl-C.
Progress progress_into(const py::object& callback) {
  return [callback](Index batches, const Totals& totals) {
    const py::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!callback.is_none()) callback(batches, totals);
    return true;
  };
}

// The samples of one call, with the arrays that they point into.
struct HeldSamples {
  Samples samples;
  py::array x, targets;
  std::optional<Labels> labels;
  std::optional<Order> order;
};

template <class T>
void hold_samples(HeldSamples& held, const py::array& x, const py::object& y,
                  const std::optional<Order>& order) {
  Samples& samples = held.samples;
  samples.x = sample_array<T>(x, "x", held.x);
  if (py::isinstance<Labels>(y)) {
    held.labels = py::cast<Labels>(y);
    if (held.labels->size() == 0 && samples.x.rows != 0) throw ValueError("y has no labels");
    if (samples.x.rows != 0 && held.labels->size() % samples.x.rows != 0) {
      throw ValueError("y has " + std::to_string(held.labels->size()) + " labels, but x has " +
                       std::to_string(samples.x.rows) + " samples");
    }
    samples.labels = held.labels->data();
  } else {
    samples.targets = sample_array<T>(py::cast<py::array>(y), "y", held.targets);
  }
  held.order = order;
  samples.count = samples.x.rows;
  if (order) {
    samples.order = order->data();
    samples.count = order->size();
    for (Index i = 0; i < samples.count; ++i) {
      if (samples.order[i] < 0 || samples.order[i] >= samples.x.rows) {
        throw ValueError("order has the row " + std::to_string(samples.order[i]) + ", but x has " +
                         std::to_string(samples.x.rows) + " rows");
      }
    }
  }
}

// Cross-entropy reads one label for each row of the output, squared error no labels at all.
template <class T>
void check_label_count(const Network<T>& network, const HeldSamples& held) {
  if (!held.labels) return;
  const Index expected = held.samples.x.rows * network.output_shape().rows;
  if (held.labels->size() != expected) {
    throw ValueError("y has " + std::to_string(held.labels->size()) + " labels, expected " +
                     std::to_string(expected));
  }
}

template <class T>
py::array_t<T> parameter_array(const ParameterPtr<T>& parameter) {
  return py::array_t<T>(parameter->shape(), parameter->data(), py::cast(parameter));
}

template <class T>
py::array_t<T> predict(const Network<T>& network, const py::array& x, Index batch_size,
                       const py::object& callback) {
  py::array keep;
  const SampleArray samples = sample_array<T>(x, "x", keep);
  py::array_t<T> y = new_array<T>({samples.rows, network.output_shape().size()});
  T* data = y.mutable_data();
  const Progress progress = progress_into(callback);
  {
    const py::gil_scoped_release release;
    network.predict(samples, data, batch_size, progress);
  }
  return y;
}

template <class T>
py::array_t<T> forward(Network<T>& network, const py::array& x) {
  py::array keep;
  const SampleArray samples = sample_array<T>(x, "x", keep);
  py::array_t<T> y = new_array<T>({samples.rows, network.output_shape().size()});
  T* data = y.mutable_data();
  {
    const py::gil_scoped_release release;
    network.forward(samples, data);
  }
  return y;
}

template <class T>
Totals train(Network<T>& network, const py::array& x, const py::object& y,
             const std::optional<Order>& order, Index batch_size, const py::object& callback,
             const MixSpec& mix) {
  HeldSamples held;
  hold_samples<T>(held, x, y, order);
  held.samples.mix = mix;
  check_label_count(network, held);
  const Progress progress = progress_into(callback);
  const py::gil_scoped_release release;
  return network.train(held.samples, batch_size, progress);
}

// One batch of all rows of x and y, mixed.
template <class T>
py::tuple mix(const py::array& x, const py::array& y, const MixSpec& spec, std::uint64_t step) {
  HeldSamples held;
  hold_samples<T>(held, x, y, std::nullopt);
  Samples& samples = held.samples;
  if (samples.targets.rows != samples.x.rows) throw ValueError("x and y have different lengths");
  samples.mix = spec;
  check_mix(samples);
  py::array_t<T> mixed_x = new_array<T>({samples.x.rows, samples.x.cols});
  py::array_t<T> mixed_y = new_array<T>({samples.targets.rows, samples.targets.cols});
  T *to_x = mixed_x.mutable_data(), *to_y = mixed_y.mutable_data();
  {
    const py::gil_scoped_release release;
    runtime::parallel(1, [&](const runtime::Team& team) {
      ops::mix_inputs<T>(team, samples, step, 0, samples.count, to_x);
      ops::mix_targets<T>(team, samples, step, 0, samples.count, to_y);
    });
  }
  return py::make_tuple(mixed_x, mixed_y);
}

template <class T>
Totals evaluate(const Network<T>& network, const py::array& x, const py::object& y,
                Index batch_size, const py::object& callback) {
  HeldSamples held;
  hold_samples<T>(held, x, y, std::nullopt);
  check_label_count(network, held);
  const Progress progress = progress_into(callback);
  const py::gil_scoped_release release;
  return network.evaluate(held.samples, batch_size, progress);
}

template <class T>
py::tuple gradients(Network<T>& network, const py::array& x, const py::object& y) {
  HeldSamples held;
  hold_samples<T>(held, x, y, std::nullopt);
  check_label_count(network, held);
  py::list arrays;
  std::vector<T*> pointers;
  for (const ParameterPtr<T>& parameter : network.trainable()) {
    py::array_t<T> array = new_array<T>(parameter->shape());
    pointers.push_back(array.mutable_data());
    arrays.append(std::move(array));
  }
  Totals totals;
  {
    const py::gil_scoped_release release;
    totals = network.gradients(held.samples, pointers);
  }
  return py::make_tuple(totals, arrays);
}

// Copies arrays into parameters while no step runs.
template <class T>
void assign(Network<T>& network, const std::vector<ParameterPtr<T>>& parameters,
            const std::vector<py::array_t<T, py::array::c_style | py::array::forcecast>>& arrays) {
  if (parameters.size() != arrays.size()) {
    throw ValueError(std::to_string(arrays.size()) + " arrays for " +
                     std::to_string(parameters.size()) + " parameters");
  }
  std::vector<const T*> sources;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    if (arrays[i].size() != parameters[i]->size()) {
      throw ValueError("the array for " + parameters[i]->name() + " has shape " +
                       shape_text(arrays[i]) + ", expected " +
                       shape_text(parameter_array(parameters[i])));
    }
    sources.push_back(arrays[i].data());
  }
  const py::gil_scoped_release release;
  network.exclusively([&] {
    for (std::size_t i = 0; i < sources.size(); ++i) {
      std::copy_n(sources[i], parameters[i]->size(), parameters[i]->data());
    }
  });
}

template <class T>
void bind_graph(py::module_& module) {
  py::class_<Parameter<T>, ParameterPtr<T>>(module, "Parameter")
      .def(py::init<std::string, std::vector<Index>>(), py::arg("name"), py::arg("shape"))
      .def_property_readonly("name", &Parameter<T>::name)
      .def_property_readonly("shape",
                             [](const Parameter<T>& p) { return py::tuple(py::cast(p.shape())); })
      .def_property_readonly("array", &parameter_array<T>, "The values, not a copy of them.");

  py::class_<Graph<T>>(module, "Graph")
      .def(py::init<>())
      .def(
          "input", [](Graph<T>& g, Index rows, Index cols) { return g.input({rows, cols}); },
          py::arg("rows"), py::arg("cols"))
      .def("dense", &Graph<T>::dense, py::arg("x"), py::arg("kernel"), py::arg("bias").none(true),
           py::arg("trainable"))
      .def(
          "batch_norm",
          [](Graph<T>& g, NodeId x, ParameterPtr<T> gamma, ParameterPtr<T> beta,
             ParameterPtr<T> moving_mean, ParameterPtr<T> moving_variance, double momentum,
             double epsilon, bool trainable) {
            return g.batch_norm(x, {gamma, beta, moving_mean, moving_variance, momentum, epsilon},
                                trainable);
          },
          py::arg("x"), py::arg("gamma").none(true), py::arg("beta").none(true),
          py::arg("moving_mean"), py::arg("moving_variance"), py::arg("momentum"),
          py::arg("epsilon"), py::arg("trainable"))
      .def(
          "layer_norm",
          [](Graph<T>& g, NodeId x, ParameterPtr<T> gamma, ParameterPtr<T> beta, double epsilon,
             bool trainable) { return g.layer_norm(x, {gamma, beta, epsilon}, trainable); },
          py::arg("x"), py::arg("gamma").none(true), py::arg("beta").none(true), py::arg("epsilon"),
          py::arg("trainable"))
      .def(
          "activation",
          [](Graph<T>& g, NodeId x, const std::string& name,
             const std::vector<double>& parameters) {
            ActivationSpec spec = activation_spec(name);
            if (parameters.size() > std::size(spec.parameters)) {
              throw ValueError(name + " does not take " + std::to_string(parameters.size()) +
                               " parameters");
            }
            std::copy(parameters.begin(), parameters.end(), spec.parameters);
            check_activation(spec);
            return g.activation(x, specialized(spec));
          },
          py::arg("x"), py::arg("name"), py::arg("parameters") = std::vector<double>{})
      .def(
          "prelu",
          [](Graph<T>& g, NodeId x, ParameterPtr<T> alpha, Index rows, Index cols, bool trainable) {
            return g.prelu(x, {std::move(alpha), {rows, cols}}, trainable);
          },
          py::arg("x"), py::arg("alpha"), py::arg("rows"), py::arg("cols"), py::arg("trainable"))
      .def("softmax", &Graph<T>::softmax, py::arg("x"))
      .def(
          "noise",
          [](Graph<T>& g, NodeId x, const std::string& name, const std::vector<double>& parameters,
             std::uint64_t key) { return g.noise(x, noise_spec(name, parameters), key); },
          py::arg("x"), py::arg("name"), py::arg("parameters"), py::arg("key"))
      .def("log_softmax", &Graph<T>::log_softmax, py::arg("x"))
      .def(
          "reshape",
          [](Graph<T>& g, NodeId x, Index rows, Index cols) { return g.reshape(x, {rows, cols}); },
          py::arg("x"), py::arg("rows"), py::arg("cols"))
      .def("transpose", &Graph<T>::transpose, py::arg("x"), py::arg("rows"))
      .def("add", &Graph<T>::add, py::arg("x"), py::arg("y"));
}

template <class T>
void bind_network(py::module_& module) {
  py::class_<Network<T>>(module, "Network")
      .def(py::init<Graph<T>, NodeId>(), py::arg("graph"), py::arg("output"))
      .def(
          "frozen",
          [](const Network<T>& network, const py::object& precision) {
            return network.frozen(precision_or_none(precision));
          },
          py::arg("precision") = py::none())
      .def("predict", &predict<T>, py::arg("x"), py::arg("batch_size"),
           py::arg("progress") = py::none())
      .def("forward", &forward<T>, py::arg("x"))
      .def("compile", &Network<T>::compile, py::arg("optimizer"), py::arg("loss"),
           py::arg_v("metrics", MetricSpec{}, "MetricSpec()"),
           py::arg("options") = std::vector<UpdateOptions>{})
      .def("finalize", &Network<T>::finalize, py::call_guard<py::gil_scoped_release>())
      .def("train", &train<T>, py::arg("x"), py::arg("y"), py::arg("order").none(true),
           py::arg("batch_size"), py::arg("progress") = py::none(),
           py::arg_v("mix", MixSpec{}, "MixSpec()"))
      .def("evaluate", &evaluate<T>, py::arg("x"), py::arg("y"), py::arg("batch_size"),
           py::arg("progress") = py::none())
      .def("gradients", &gradients<T>, py::arg("x"), py::arg("y"))
      .def("assign", &assign<T>, py::arg("parameters"), py::arg("arrays"))
      .def_property_readonly("trainable", &Network<T>::trainable)
      .def_property_readonly("parameters", &Network<T>::parameters)
      .def_property("step", &Network<T>::step, &Network<T>::set_step)
      .def_property("learning_rate", &Network<T>::learning_rate, &Network<T>::set_learning_rate)
      .def_property_readonly("iterations", &Network<T>::iterations);
}

}  // namespace

void bind_nn(py::module_& module) {
  py::class_<Totals>(module, "Totals", "Sums over the samples seen.")
      .def(py::init<>())
      .def_readonly("samples", &Totals::samples)
      .def_readonly("loss", &Totals::loss)
      .def_readonly("weight", &Totals::weight)
      .def_readonly("correct", &Totals::correct)
      .def_readonly("binary_correct", &Totals::binary_correct)
      .def_readonly("squared_error", &Totals::squared_error)
      .def_readonly("absolute_error", &Totals::absolute_error);

  py::class_<MetricSpec>(module, "MetricSpec")
      .def(py::init([](bool accuracy, bool binary_accuracy, bool errors) {
             return MetricSpec{accuracy, binary_accuracy, errors};
           }),
           py::arg("accuracy") = false, py::arg("binary_accuracy") = false,
           py::arg("errors") = false);

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
