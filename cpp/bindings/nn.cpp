// Parameters, graphs and networks, once for each float type: _native.float32 and _native.float64.
#include <pybind11/stl.h>

#include <optional>
#include <span>
#include <variant>

#include "arguments.hpp"
#include "caller.hpp"
#include "common.hpp"
#include "ops/mix.hpp"
#include "python_loss.hpp"
#include "python_operation.hpp"
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

// Python's view of a pass's progress: the callback may raise, and so does a pending Ctrl-C; False
// ends the pass.
Progress progress_into(const py::object& callback, bool every_batch = false) {
  const auto tell = [callback = Callable(callback)](const Totals& totals) {
    const GilAcquire acquire;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (callback.is_none()) return true;
    return !callback(totals).is(py::bool_(false));
  };
  return {tell, every_batch};
}

// The arrays of one for each input or output: the one that there is, or those of a sequence.
std::vector<py::object> each(const py::object& given) {
  if (py::isinstance<py::array>(given)) return {given};
  std::vector<py::object> arrays;
  for (const py::handle& array : given) arrays.push_back(py::cast<py::object>(array));
  return arrays;
}

// "x" if there is one, else "x[1]".
std::string name_of(const char* name, std::size_t which, std::size_t count) {
  std::string text = name;
  if (count > 1) text.append("[").append(std::to_string(which)).append("]");
  return text;
}

// The samples of one call, with the arrays that they point into.
struct HeldSamples {
  Samples samples;
  std::vector<py::object> arrays;
  std::vector<SampleArray> x;
  std::vector<Target> y;
  std::optional<Order> order;
};

// Weights of the rows of the outputs: None, an array, or a sequence of them.
using Weights = py::array_t<double, py::array::c_style>;

template <class T>
void hold_weights(HeldSamples& held, const py::object& weights, const Network<T>& network) {
  if (weights.is_none()) return;
  const std::vector<py::object> given = each(weights);
  if (given.size() != held.y.size()) {
    throw ValueError("weights has " + std::to_string(given.size()) + " arrays, expected " +
                     std::to_string(held.y.size()));
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i].is_none()) continue;
    const auto array = py::cast<Weights>(given[i]);
    const Index expected = held.x[0].rows * network.output_shape(i).rows;
    if (array.size() != expected) {
      throw ValueError("weights has " + std::to_string(array.size()) + " values, expected " +
                       std::to_string(expected));
    }
    held.y[i].weights = array.data();
    held.arrays.push_back(array);
  }
}

template <class T>
void hold_inputs(HeldSamples& held, const py::object& x) {
  const std::vector<py::object> given = each(x);
  for (std::size_t i = 0; i < given.size(); ++i) {
    py::array keep;
    const std::string name = name_of("x", i, given.size());
    held.x.push_back(sample_array<T>(py::cast<py::array>(given[i]), name.c_str(), keep));
    held.arrays.push_back(keep);
  }
  if (held.x.empty()) throw ValueError("x has no arrays");
  held.samples.x = held.x;
  held.samples.count = held.x[0].rows;
}

// None is the target of an output without a loss. Cross-entropy reads one label for each row of the
// output, squared error no labels at all.
template <class T>
void hold_targets(HeldSamples& held, const py::object& y, const Network<T>& network) {
  const std::vector<py::object> given = each(y);
  for (std::size_t i = 0; i < given.size(); ++i) {
    const std::string name = name_of("y", i, given.size());
    Target target;
    if (py::isinstance<Labels>(given[i])) {
      const auto labels = py::cast<Labels>(given[i]);
      const Index rows = i < network.outputs().size() ? network.output_shape(i).rows : 1;
      const Index expected = held.x[0].rows * rows;
      if (labels.size() != expected) {
        throw ValueError(name + " has " + std::to_string(labels.size()) + " labels, expected " +
                         std::to_string(expected));
      }
      target.labels = labels.data();
      held.arrays.push_back(labels);
    } else if (!given[i].is_none()) {
      py::array keep;
      target.values = sample_array<T>(py::cast<py::array>(given[i]), name.c_str(), keep);
      held.arrays.push_back(keep);
    }
    held.y.push_back(target);
  }
  held.samples.y = held.y;
}

void hold_order(HeldSamples& held, const std::optional<Order>& order) {
  held.order = order;
  if (!order) return;
  Samples& samples = held.samples;
  samples.order = order->data();
  samples.count = order->size();
  for (Index i = 0; i < samples.count; ++i) {
    if (samples.order[i] < 0 || samples.order[i] >= held.x[0].rows) {
      throw ValueError("order has the row " + std::to_string(samples.order[i]) + ", but x has " +
                       std::to_string(held.x[0].rows) + " rows");
    }
  }
}

template <class T>
void hold_samples(HeldSamples& held, const py::object& x, const py::object& y,
                  const std::optional<Order>& order, const Network<T>& network) {
  hold_inputs<T>(held, x);
  hold_targets(held, y, network);
  hold_order(held, order);
}

template <class T>
py::array_t<T> parameter_array(const ParameterPtr<T>& parameter) {
  return py::array_t<T>(parameter->shape(), parameter->data(), py::cast(parameter));
}

// Fresh arrays for `count` rows of each output, and where they lie.
template <class T>
struct Outputs {
  Outputs(const Network<T>& network, Index count) {
    for (std::size_t i = 0; i < network.outputs().size(); ++i) {
      py::array_t<T> y = new_array<T>({count, network.output_shape(i).size()});
      pointers.push_back(y.mutable_data());
      arrays.append(std::move(y));
    }
  }
  // The array, or a list of several.
  py::object result() const {
    if (arrays.size() == 1) return arrays[0];
    return arrays;
  }
  py::list arrays;
  std::vector<T*> pointers;
};

// Fresh arrays for a network's outputs, or `out`: run(x, y), and then the array, or a list of
// several.
template <class T, class Run>
py::object with_outputs(const Network<T>& network, const py::object& x, const py::object& out,
                        Run&& run) {
  if (!out.is_none()) {
    auto y = py::cast<py::array_t<T>>(out);
    HeldSamples held;
    hold_inputs<T>(held, x);
    T* data = y.mutable_data();
    {
      const GilRelease release;
      run(held.samples.x, std::span<T* const>(&data, 1));
    }
    return out;
  }
  if (py::isinstance<py::array>(x) && network.outputs().size() == 1) {  // the call in a hurry
    py::array keep;
    const SampleArray samples = sample_array<T>(py::reinterpret_borrow<py::array>(x), "x", keep);
    py::array_t<T> y = new_array<T>({samples.rows, network.output_shape().size()});
    T* data = y.mutable_data();
    {
      const GilRelease release;
      run(std::span<const SampleArray>(&samples, 1), std::span<T* const>(&data, 1));
    }
    return y;
  }
  HeldSamples held;
  hold_inputs<T>(held, x);
  const Outputs<T> outputs(network, held.samples.count);
  {
    const GilRelease release;
    run(held.samples.x, std::span<T* const>(outputs.pointers));
  }
  return outputs.result();
}

template <class T>
py::object predict(const Network<T>& network, const py::object& x, Index batch_size,
                   const py::object& callback, bool every_batch, const py::object& out) {
  const Progress progress = progress_into(callback, every_batch);
  return with_outputs(network, x, out, [&](auto samples, auto y) {
    network.predict(samples, y, batch_size, progress);
  });
}

template <class T>
py::tuple spread(Network<T>& network, const py::object& x, Index passes, Index batch_size) {
  HeldSamples held;
  hold_inputs<T>(held, x);
  const Outputs<T> mean(network, held.samples.count), deviation(network, held.samples.count);
  {
    const GilRelease release;
    network.spread(held.samples.x, passes, batch_size, mean.pointers, deviation.pointers);
  }
  return py::make_tuple(mean.result(), deviation.result());
}

template <class T>
py::object forward(Network<T>& network, const py::object& x) {
  return with_outputs(network, x, py::none(),
                      [&](auto samples, auto y) { network.forward(samples, y); });
}

template <class T>
Totals train(Network<T>& network, const py::object& x, const py::object& y,
             const std::optional<Order>& order, Index batch_size, const py::object& callback,
             const MixSpec& mix, const py::object& weights, bool every_batch, bool stops_at_nan,
             const Totals& before) {
  HeldSamples held;
  hold_samples(held, x, y, order, network);
  hold_weights(held, weights, network);
  held.samples.mix = mix;
  held.samples.stops_at_nan = stops_at_nan;
  const Progress progress = progress_into(callback, every_batch);
  const GilRelease release;
  return network.train(held.samples, batch_size, progress, before);
}

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

template <class T>
Totals evaluate(const Network<T>& network, const py::object& x, const py::object& y,
                Index batch_size, const py::object& callback, const py::object& weights,
                bool every_batch, const Totals& before) {
  HeldSamples held;
  hold_samples(held, x, y, std::nullopt, network);
  hold_weights(held, weights, network);
  const Progress progress = progress_into(callback, every_batch);
  const GilRelease release;
  return network.evaluate(held.samples, batch_size, progress, before);
}

template <class T>
py::tuple gradients(Network<T>& network, const py::object& x, const py::object& y,
                    const py::object& weights) {
  HeldSamples held;
  hold_samples(held, x, y, std::nullopt, network);
  hold_weights(held, weights, network);
  py::list arrays;
  std::vector<T*> pointers;
  for (const ParameterPtr<T>& parameter : network.trainable()) {
    py::array_t<T> array = new_array<T>(parameter->shape());
    pointers.push_back(array.mutable_data());
    arrays.append(std::move(array));
  }
  Totals totals;
  {
    const GilRelease release;
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
  const GilRelease release;
  network.exclusively([&] {
    for (std::size_t i = 0; i < sources.size(); ++i) {
      std::copy_n(sources[i], parameters[i]->size(), parameters[i]->data());
    }
  });
}

OutputLoss make_output_loss(const std::optional<LossSpec>& loss, std::vector<MetricSpec> metrics,
                            double weight, const py::object& compute, bool joins_rows) {
  OutputLoss made{loss, std::move(metrics), weight};
  if (!compute.is_none()) made.custom = std::make_shared<PythonLoss>(compute, joins_rows);
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
      .def_property(
          "training",
          [](const Graph<T>& g) -> std::optional<bool> {
            if (g.training() == Training::as_run) return std::nullopt;
            return g.training() == Training::always;
          },
          [](Graph<T>& g, std::optional<bool> training) {
            g.set_training(!training   ? Training::as_run
                           : *training ? Training::always
                                       : Training::never);
          },
          "Whether the nodes added from now on do what training does; None: as the network runs.")
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
      .def("activity", &Graph<T>::activity, py::arg("x"), py::arg("l1"), py::arg("l2"))
      .def("log_softmax", &Graph<T>::log_softmax, py::arg("x"))
      .def(
          "reshape",
          [](Graph<T>& g, NodeId x, Index rows, Index cols) { return g.reshape(x, {rows, cols}); },
          py::arg("x"), py::arg("rows"), py::arg("cols"))
      .def("transpose", &Graph<T>::transpose, py::arg("x"), py::arg("rows"))
      .def("add", &Graph<T>::add, py::arg("inputs"))
      .def("concatenate", &Graph<T>::concatenate, py::arg("inputs"))
      .def(
          "custom",
          [](Graph<T>& g, const std::vector<NodeId>& inputs, Index rows, Index cols,
             std::vector<ParameterPtr<T>> parameters, py::object forward, py::object backward,
             bool trainable) {
            auto operation = std::make_shared<PythonOperation<T>>(std::move(forward),
                                                                  std::move(backward), parameters);
            return g.custom(inputs, {rows, cols}, {std::move(operation), std::move(parameters)},
                            trainable);
          },
          py::arg("inputs"), py::arg("rows"), py::arg("cols"), py::arg("parameters"),
          py::arg("forward"), py::arg("backward"), py::arg("trainable"));
}

template <class T>
void bind_network(py::module_& module) {
  py::class_<Network<T>>(module, "Network")
      .def(py::init([](const Graph<T>& graph, std::variant<NodeId, std::vector<NodeId>> outputs) {
             if (const auto* one = std::get_if<NodeId>(&outputs)) outputs = std::vector{*one};
             return std::make_unique<Network<T>>(graph, std::get<1>(std::move(outputs)));
           }),
           py::arg("graph"), py::arg("outputs"))
      .def(
          "frozen",
          [](const Network<T>& network, const py::object& precision) {
            const auto chosen = precision_or_none(precision);
            const GilRelease release;
            return network.frozen(chosen);
          },
          py::arg("precision") = py::none())
      .def("predict", &predict<T>, py::arg("x"), py::arg("batch_size"),
           py::arg("progress") = py::none(), py::arg("every_batch") = false,
           py::arg("out") = py::none())
      .def("spread", &spread<T>, py::arg("x"), py::arg("passes"), py::arg("batch_size"))
      .def("forward", &forward<T>, py::arg("x"))
      .def("caller", &caller<T>)
      .def(
          "compile",
          [](Network<T>& network, const OptimizerSpec& optimizer,
             const std::vector<OutputLoss>& losses, const std::vector<UpdateOptions>& options) {
            const GilRelease release;
            network.compile(optimizer, losses, options);
          },
          py::arg("optimizer"), py::arg("losses"),
          py::arg("options") = std::vector<UpdateOptions>{})
      .def("set_options", &Network<T>::set_options, py::arg("options"),
           py::call_guard<GilRelease>())
      .def("memory", &Network<T>::memory, py::arg("batch"), py::arg("training"),
           py::call_guard<GilRelease>())
      .def("finalize", &Network<T>::finalize, py::call_guard<GilRelease>())
      .def("train", &train<T>, py::arg("x"), py::arg("y"), py::arg("order").none(true),
           py::arg("batch_size"), py::arg("progress") = py::none(),
           py::arg_v("mix", MixSpec{}, "MixSpec()"), py::arg("weights") = py::none(),
           py::arg("every_batch") = false, py::arg("stops_at_nan") = false,
           py::arg_v("before", Totals{}, "Totals()"))
      .def("evaluate", &evaluate<T>, py::arg("x"), py::arg("y"), py::arg("batch_size"),
           py::arg("progress") = py::none(), py::arg("weights") = py::none(),
           py::arg("every_batch") = false, py::arg_v("before", Totals{}, "Totals()"))
      .def("gradients", &gradients<T>, py::arg("x"), py::arg("y"), py::arg("weights") = py::none())
      .def("continue_training", &Network<T>::continue_training, py::arg("whole"),
           py::call_guard<GilRelease>())
      .def("assign", &assign<T>, py::arg("parameters"), py::arg("arrays"))
      .def_property_readonly("trainable", &Network<T>::trainable)
      .def_property_readonly("parameters", &Network<T>::parameters)
      .def_property("step", py::cpp_function(&Network<T>::step, py::call_guard<GilRelease>()),
                    py::cpp_function(&Network<T>::set_step, py::call_guard<GilRelease>()))
      .def_property("learning_rate",
                    py::cpp_function(&Network<T>::learning_rate, py::call_guard<GilRelease>()),
                    py::cpp_function(&Network<T>::set_learning_rate, py::call_guard<GilRelease>()))
      .def_property_readonly(
          "iterations", py::cpp_function(&Network<T>::iterations, py::call_guard<GilRelease>()));
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
