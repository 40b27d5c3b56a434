#include "unitgain/model.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <variant>

#include "base/system.hpp"
#include "model/document.hpp"
#include "nn/steps.hpp"
#include "ops/quantized_matrix.hpp"
#include "unitgain/error.hpp"
#include "unitgain/network.hpp"

namespace unitgain {

namespace {

const char* name_of(ElementType type) {
  static constexpr const char* names[] = {"float32", "float64", "int32", "int64", "uint8"};
  return names[static_cast<int>(type)];
}

// "y" of a model with one output, "y['name']" of one with several.
std::string label(const char* argument, const std::vector<ModelTensor>& all, std::size_t i) {
  return all.size() == 1 ? argument : std::string(argument) + "['" + all[i].name + "']";
}

template <class T>
std::vector<SampleShape> shapes_of(const Network<T>& network, const std::vector<NodeId>& nodes) {
  std::vector<SampleShape> shapes;
  for (const NodeId id : nodes) shapes.push_back(network.graph().node(id).shape);
  return shapes;
}

// The arrays that only dense nodes read, as their kernels.
std::set<std::string> kernels_of(const GraphDescription& graph) {
  std::set<std::string> kernels, others;
  for (const NodeDescription& node : graph.nodes) {
    for (const auto& [role, name] : node.parameters) {
      (node.kind == "dense" && role == "kernel" ? kernels : others).insert(name);
    }
  }
  for (const std::string& name : others) kernels.erase(name);
  return kernels;
}

bool takes_int8(const model::TensorFile& file, const std::string& name) {
  const auto found = file.tensors.find(name);
  return found != file.tensors.end() && !found->second.shape.empty() &&
         ops::QuantizedMatrix::takes_depth(found->second.shape[0]);
}

template <class T>
std::unique_ptr<Network<T>> network_of(const model::TensorFile& file, model::Document& document,
                                       const LoadOptions& options) {
  const std::set<std::string> kernels =
      options.int8 ? kernels_of(document.graph) : std::set<std::string>();
  NamedParameters<T> parameters;
  for (const NodeDescription& node : document.graph.nodes) {
    for (const auto& [role, name] : node.parameters) {
      auto& parameter = parameters[name];
      if (parameter != nullptr) continue;
      const bool as_int8 = kernels.contains(name) && takes_int8(file, name);
      parameter = model::parameter_of<T>(file, document, name, as_int8);
    }
  }
  auto graph = Graph<T>::from_description(document.graph, parameters);
  if (options.int8 || options.packed) {
    graph =
        graph.frozen(options.precision, options.int8 ? DenseWeights::int8 : DenseWeights::floating);
  }
  auto network = std::make_unique<Network<T>>(std::move(graph), document.graph.outputs);
  if (network->inputs().empty()) throw ValueError("the graph has no inputs");
  model::check_tensors(document.inputs, shapes_of(*network, network->inputs()), "input");
  model::check_tensors(document.outputs, shapes_of(*network, network->outputs()), "output");
  network->set_step(document.step);
  return network;
}

}  // namespace

struct Model::State {
  ElementType dtype;
  std::vector<ModelTensor> inputs, outputs;
  std::variant<std::unique_ptr<Network<float>>, std::unique_ptr<Network<double>>> network;

  static std::unique_ptr<State> load(const model::Bytes& content, const LoadOptions& options) {
    const model::TensorFile file = model::read(content);
    model::Document document = model::document_of(file);
    auto state = std::make_unique<State>();
    state->dtype = document.dtype;
    if (document.dtype == ElementType::float32) {
      state->network = network_of<float>(file, document, options);
    } else {
      state->network = network_of<double>(file, document, options);
    }
    state->inputs = std::move(document.inputs);
    state->outputs = std::move(document.outputs);
    return state;
  }

  void check(std::span<const SampleArray> x, std::span<const OutputArray> y) const {
    if (x.size() != inputs.size() || y.size() != outputs.size()) {
      throw ValueError(std::to_string(x.size()) + " inputs and " + std::to_string(y.size()) +
                       " outputs are given, but the model has " + std::to_string(inputs.size()) +
                       " and " + std::to_string(outputs.size()));
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (x[i].cols != inputs[i].size || x[i].rows != x[0].rows || x[i].rows < 0) {
        throw ValueError(label("x", inputs, i) + " has " + std::to_string(x[i].rows) + " rows of " +
                         std::to_string(x[i].cols) + " values, expected " +
                         std::to_string(std::max<Index>(x[0].rows, 0)) + " rows of " +
                         std::to_string(inputs[i].size));
      }
    }
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (y[i].cols != outputs[i].size || y[i].rows != x[0].rows) {
        throw ValueError(label("y", outputs, i) + " has " + std::to_string(y[i].rows) +
                         " rows of " + std::to_string(y[i].cols) + " values, expected " +
                         std::to_string(x[0].rows) + " rows of " + std::to_string(outputs[i].size));
      }
      if (y[i].type != dtype) {
        throw TypeError(label("y", outputs, i) + " is " + name_of(y[i].type) +
                        ", but the model's outputs are " + name_of(dtype));
      }
    }
  }
};

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

ElementType Model::dtype() const {
  return state_->dtype;
}

const std::vector<ModelTensor>& Model::inputs() const {
  return state_->inputs;
}

const std::vector<ModelTensor>& Model::outputs() const {
  return state_->outputs;
}

void Model::predict(std::span<const SampleArray> x, std::span<const OutputArray> y,
                    Index batch_size) const {
  state_->check(x, y);
  if (batch_size < 0) throw ValueError("batch_size is " + std::to_string(batch_size));
  const Index batch = batch_size == 0 ? std::max<Index>(1, x[0].rows) : batch_size;
  std::visit(
      [&]<class T>(const std::unique_ptr<Network<T>>& network) {
        std::array<T*, 16> few = {};
        std::vector<T*> many(y.size() > few.size() ? y.size() : 0);
        const std::span<T*> to = many.empty() ? std::span<T*>(few).first(y.size()) : many;
        for (std::size_t i = 0; i < y.size(); ++i) to[i] = static_cast<T*>(y[i].data);
        network->predict(x, to, batch);
      },
      state_->network);
}

template <class T>
Network<T>& Model::network() const {
  if (const auto* held = std::get_if<std::unique_ptr<Network<T>>>(&state_->network)) return **held;
  throw TypeError(std::string("the model is one of ") + name_of(state_->dtype));
}

Model load_model(const std::filesystem::path& path, const LoadOptions& options) {
  const auto refuse = [&](const std::string& problem) {
    return ValueError(path.string() + " cannot be loaded: " + problem);
  };
  try {
    return Model(Model::State::load(model::mapped(path), options));
  } catch (const std::invalid_argument& error) {
    throw refuse(error.what());
  }
}

Model load_model(std::span<const std::byte> content, const LoadOptions& options) {
  return Model(Model::State::load(model::copied(content), options));
}

template <class T>
void save_model(const std::filesystem::path& path, const Network<T>& network,
                const ModelNames& names) {
  // Names of arrays are such that all programs write them alike.
  NamedParameters<T> named;
  for (const ParameterPtr<T>& parameter : network.parameters()) {
    std::string plain = parameter->name();
    std::replace_if(
        plain.begin(), plain.end(),
        [](char c) { return c < ' ' || c > '~' || c == '"' || c == '\\'; }, '_');
    std::string name = plain;
    for (int i = 1; named.contains(name) && named[name] != parameter; ++i) {
      name = plain + ":" + std::to_string(i);
    }
    named[name] = parameter;
  }
  auto described = network.graph().describe(named);
  if (!described) throw ValueError("a custom operation cannot be saved");
  model::Document document{
      element_type_of<T>(), std::move(described->description), {}, {}, network.step()};
  document.graph.outputs = network.outputs();
  const auto list = [](std::vector<ModelTensor>& tensors, const std::vector<std::string>& given,
                       const std::vector<SampleShape>& shapes, const char* what) {
    model::check_tensors(tensors, shapes, what);
    if (given.empty()) return;
    if (given.size() != shapes.size()) {
      throw ValueError(std::to_string(given.size()) + " names of " + what + "s, but there are " +
                       std::to_string(shapes.size()));
    }
    for (std::size_t i = 0; i < given.size(); ++i) tensors[i].name = given[i];
  };
  list(document.inputs, names.inputs, shapes_of(network, network.inputs()), "input");
  list(document.outputs, names.outputs, shapes_of(network, network.outputs()), "output");

  std::map<std::string, model::Tensor> arrays;
  std::vector<const void*> memory;
  for (const auto& [name, parameter] : described->parameters) memory.push_back(parameter->data());
  nn::Still still(memory);  // another thread may be training: all of it is of one moment
  still.hold();
  for (const auto& [name, parameter] : described->parameters) {
    const std::span values(parameter->data(), static_cast<std::size_t>(parameter->size()));
    arrays[name] = {sizeof(T) == 4 ? "F32" : "F64", parameter->shape(),
                    std::as_writable_bytes(values)};
  }
  const std::string header = model::header(model::texts_of(document, arrays), arrays);
  std::vector<std::span<const std::byte>> pieces = {std::as_bytes(std::span(header))};
  for (const auto& [name, array] : arrays) pieces.push_back(array.bytes);
  base::write_file(path, pieces);
}

#define UNITGAIN_INSTANTIATE(T)                \
  template Network<T>& Model::network() const; \
  template void save_model(const std::filesystem::path&, const Network<T>&, const ModelNames&)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain
