// Networks: predictions, training and evaluation on NumPy's arrays.
#include "network.hpp"

#include <pybind11/stl.h>

#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <variant>

#include "arguments.hpp"
#include "caller.hpp"
#include "gil.hpp"
#include "graph.hpp"
#include "ops/quantized_matrix.hpp"
#include "python_communicator.hpp"
#include "runtime/philox.hpp"
#include "samples.hpp"
#include "signals.hpp"

namespace unitgain::bindings {

namespace {

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

// Fresh arrays for a gradient at each input, with `values` rows for each sample, and where they
// lie.
template <class T>
struct InputArrays {
  InputArrays(const Network<T>& network, Index count, std::optional<Index> values = {}) {
    for (std::size_t i = 0; i < network.inputs().size(); ++i) {
      std::vector<py::ssize_t> shape = {count, network.input_shape(i).size()};
      if (values) shape.insert(shape.begin() + 1, *values);
      py::array_t<T> array = new_array<T>(shape);
      pointers.push_back(array.mutable_data());
      arrays.append(std::move(array));
    }
  }
  py::list arrays;
  std::vector<T*> pointers;
};

template <class T>
using Upstream = std::optional<py::array_t<T, py::array::c_style | py::array::forcecast>>;

template <class T>
py::list input_gradients(const Network<T>& network, const py::object& x,
                         const std::vector<Upstream<T>>& upstream, Index batch_size) {
  HeldSamples held;
  hold_inputs<T>(held, x);
  const Index count = held.samples.count;
  std::vector<const T*> from;
  for (std::size_t i = 0; i < upstream.size(); ++i) {
    from.push_back(upstream[i] ? upstream[i]->data() : nullptr);
    if (!upstream[i] || i >= network.outputs().size()) continue;
    if (upstream[i]->size() != count * network.output_shape(i).size()) {
      throw ValueError("the gradient at output " + std::to_string(i) + " has shape " +
                       shape_text(*upstream[i]) + ", expected one value for each of the output's");
    }
  }
  const InputArrays<T> made(network, count);
  {
    const GilRelease release;
    network.input_gradients(held.samples.x, from, made.pointers, batch_size);
  }
  return made.arrays;
}

template <class T>
py::list jacobian(const Network<T>& network, const py::object& x, std::size_t output,
                  Index batch_size) {
  HeldSamples held;
  hold_inputs<T>(held, x);
  if (output >= network.outputs().size()) throw ValueError("the network has no such output");
  const InputArrays<T> made(network, held.samples.count, network.output_shape(output).size());
  {
    const GilRelease release;
    network.jacobian(held.samples.x, output, made.pointers, batch_size);
  }
  return made.arrays;
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
             const Totals& before, std::pair<Index, Index> share) {
  HeldSamples held;
  hold_samples(held, x, y, order, network);
  hold_weights(held, weights, network);
  held.samples.mix = mix;
  held.samples.stops_at_nan = stops_at_nan;
  std::tie(held.samples.place, held.samples.whole) = share;
  const Progress progress = progress_into(callback, every_batch);
  const GilRelease release;
  return network.train(held.samples, batch_size, progress, before);
}

// A run with the arrays that it reads, which stay where they are.
struct HeldRun {
  HeldSamples held;
  std::vector<Index> shuffled;  // the rows, in the order of the pass
  TrainingRun run;
};

// Key and stream of the random numbers of an order.
using Shuffle = std::pair<std::uint64_t, std::uint64_t>;

template <class T>
std::unique_ptr<HeldRun> training_run(Network<T>& network, const py::object& x, const py::object& y,
                                      const std::optional<Order>& order, Index batch_size,
                                      const MixSpec& mix, const py::object& weights,
                                      bool stops_at_nan, Index epochs,
                                      const std::vector<Shuffle>& shuffles) {
  if (!shuffles.empty() && (order || std::ssize(shuffles) != epochs)) {
    throw ValueError(std::to_string(shuffles.size()) + " shuffles for " + std::to_string(epochs) +
                     " epochs, expected one each, and no order");
  }
  const bool has_orders = order && order->ndim() == 2;  // one for each epoch
  if (has_orders && order->shape(0) != epochs) {
    throw ValueError("order has " + std::to_string(order->shape(0)) + " rows for " +
                     std::to_string(epochs) + " epochs, expected one each");
  }
  auto made = std::make_unique<HeldRun>();
  hold_samples(made->held, x, y, order, network);
  hold_weights(made->held, weights, network);
  made->held.samples.mix = mix;
  made->held.samples.stops_at_nan = stops_at_nan;
  if (!shuffles.empty()) {
    made->shuffled.resize(static_cast<std::size_t>(made->held.samples.count));
    made->held.samples.order = made->shuffled.data();
  }
  if (has_orders) made->held.samples.count = order->shape(1);
  made->run.epochs = epochs;
  made->run.begin = [&network, own = made.get(), batch_size, shuffles, has_orders](Index epoch) {
    Samples& samples = own->held.samples;
    if (!shuffles.empty()) {
      const auto [key, stream] = shuffles[static_cast<std::size_t>(epoch)];
      runtime::fill_permutation(runtime::RandomStream(key, stream), own->shuffled.data(),
                                samples.count);
    } else if (has_orders) {
      samples.order = own->held.order->data() + epoch * samples.count;
    }
    return network.training_pass(samples, batch_size);
  };
  return made;
}

std::vector<std::vector<Totals>> train_runs(const std::vector<HeldRun*>& held) {
  std::vector<TrainingRun*> runs;
  for (HeldRun* run : held) {
    if (run == nullptr) throw TypeError("a run is None, expected a TrainingRun");
    runs.push_back(&run->run);
  }
  {
    const GilRelease release;
    train_together(runs, [] {
      const GilAcquire acquire;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      return true;
    });
  }
  std::vector<std::vector<Totals>> totals;
  for (TrainingRun* run : runs) totals.push_back(std::move(run->totals));
  return totals;
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
  const GradientArrays<T> made(network);
  Totals totals;
  {
    const GilRelease release;
    totals = network.gradients(held.samples, made.pointers);
  }
  return py::make_tuple(totals, made.arrays);
}

// Blocks of 0: training is not distributed any more.
template <class T>
void distribute(Network<T>& network, const py::object& communicator, Index blocks) {
  std::optional<Distribution> distribution;
  if (blocks != 0) {
    distribution = Distribution{nullptr, blocks};
    if (!communicator.is_none()) {
      distribution->communicator = std::make_shared<PythonCommunicator>(communicator);
    }
  }
  const GilRelease release;
  network.distribute(std::move(distribution));
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

// A float32 matrix as int8 and the scales of its columns.
py::tuple quantize_columns(const py::array_t<float, py::array::c_style>& kernel,
                           const std::string& name) {
  if (kernel.ndim() != 2) throw ValueError(name + " is no matrix");
  const Index rows = kernel.shape(0), cols = kernel.shape(1);
  py::array_t<std::int8_t> values({rows, cols});
  py::array_t<float> scales(cols);
  ops::quantize_columns({kernel.data(), rows, cols, cols, 1}, name.c_str(), values.mutable_data(),
                        scales.mutable_data());
  return py::make_tuple(values, scales);
}

}  // namespace

void bind_quantization(py::module_& module) {
  module.def("quantize_columns", &quantize_columns, py::arg("kernel"), py::arg("name"));
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
            const bool is_int8 =
                py::isinstance<py::str>(precision) && py::cast<std::string>(precision) == "int8";
            const auto chosen = is_int8 ? std::nullopt : precision_or_none(precision);
            const GilRelease release;
            return network.frozen(chosen, is_int8 ? DenseWeights::int8 : DenseWeights::floating);
          },
          py::arg("precision") = py::none())
      .def("predict", &predict<T>, py::arg("x"), py::arg("batch_size"),
           py::arg("progress") = py::none(), py::arg("every_batch") = false,
           py::arg("out") = py::none())
      .def("spread", &spread<T>, py::arg("x"), py::arg("passes"), py::arg("batch_size"))
      .def("forward", &forward<T>, py::arg("x"))
      .def("input_gradients", &input_gradients<T>, py::arg("x"), py::arg("upstream"),
           py::arg("batch_size"))
      .def("jacobian", &jacobian<T>, py::arg("x"), py::arg("output"), py::arg("batch_size"))
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
           py::arg_v("before", Totals{}, "Totals()"),
           py::arg("share") = std::pair<Index, Index>(0, 0))
      .def("training_run", &training_run<T>, py::arg("x"), py::arg("y"),
           py::arg("order").none(true), py::arg("batch_size"),
           py::arg_v("mix", MixSpec{}, "MixSpec()"), py::arg("weights") = py::none(),
           py::arg("stops_at_nan") = false, py::arg("epochs") = 1,
           py::arg("shuffles") = std::vector<Shuffle>{}, py::keep_alive<0, 1>())
      .def("evaluate", &evaluate<T>, py::arg("x"), py::arg("y"), py::arg("batch_size"),
           py::arg("progress") = py::none(), py::arg("weights") = py::none(),
           py::arg("every_batch") = false, py::arg_v("before", Totals{}, "Totals()"))
      .def("gradients", &gradients<T>, py::arg("x"), py::arg("y"), py::arg("weights") = py::none())
      .def("signals", &signals<T>, py::arg("x"), py::arg("y"), py::arg("weights") = py::none())
      .def("monitor", &monitor<T>, py::arg("every"), py::arg("tell").none(true))
      .def("continue_training", &Network<T>::continue_training, py::arg("whole"),
           py::call_guard<GilRelease>())
      .def("distribute", &distribute<T>, py::arg("communicator").none(true), py::arg("blocks"))
      .def("assign", &assign<T>, py::arg("parameters"), py::arg("arrays"))
      .def_property_readonly("trainable", &Network<T>::trainable)
      .def_property_readonly("parameters", &Network<T>::parameters)
      .def("describe", &describe<T>, py::arg("named"))
      .def_property("step", py::cpp_function(&Network<T>::step, py::call_guard<GilRelease>()),
                    py::cpp_function(&Network<T>::set_step, py::call_guard<GilRelease>()))
      .def_property("learning_rate",
                    py::cpp_function(&Network<T>::learning_rate, py::call_guard<GilRelease>()),
                    py::cpp_function(&Network<T>::set_learning_rate, py::call_guard<GilRelease>()))
      .def_property_readonly(
          "iterations", py::cpp_function(&Network<T>::iterations, py::call_guard<GilRelease>()));
}

void bind_training_runs(py::module_& module) {
  py::class_<HeldRun>(module, "TrainingRun", "Passes of training, for train_together.");
  module.def("train_together", &train_runs, py::arg("runs"));
  module.def("column_totals", &totals_of_columns, py::arg("sums"), py::arg("rows"),
             py::arg("tolerance"));
}

template void bind_network<float>(py::module_&);
template void bind_network<double>(py::module_&);

}  // namespace unitgain::bindings
