#include "model/document.hpp"

#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/json_text.hpp"
#include "base/shape_text.hpp"
#include "model/json.hpp"
#include "model/sha256.hpp"
#include "ops/quantized_matrix.hpp"
#include "unitgain/error.hpp"

namespace unitgain::model {

static_assert(std::endian::native == std::endian::little, "files are little-endian");

namespace {

constexpr Index version = 1;

// ---- graphs of JSON ----

// A number, or a text that stands for one that is not finite.
std::optional<double> number_of(const Json& json) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (const auto* text = std::get_if<std::string>(&json.value)) {
    if (*text == "inf") return infinity;
    if (*text == "-inf") return -infinity;
    if (*text == "nan") return std::numeric_limits<double>::quiet_NaN();
  }
  if (const auto* value = std::get_if<Index>(&json.value)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&json.value))
    return static_cast<double>(*value);
  if (const auto* value = std::get_if<double>(&json.value)) return *value;
  return std::nullopt;
}

Attribute attribute_of(const Json& json, const std::string& what) {
  if (const auto* value = std::get_if<Index>(&json.value)) return *value;
  if (const auto* value = std::get_if<std::uint64_t>(&json.value)) return *value;
  if (const auto value = number_of(json)) return *value;
  if (const auto* value = std::get_if<std::string>(&json.value)) return *value;
  std::vector<double> numbers;
  for (const Json& one : json.array(what)) {
    const auto value = number_of(one);
    if (!value) throw ValueError(what + " is no list of numbers");
    numbers.push_back(*value);
  }
  return numbers;
}

std::vector<NodeId> nodes_of(const Json& json, const std::string& what) {
  std::vector<NodeId> nodes;
  for (const Json& one : json.array(what)) {
    const Index number = one.integer("an entry of " + what);
    if (!std::in_range<NodeId>(number)) throw ValueError(what + " has no node");
    nodes.push_back(static_cast<NodeId>(number));
  }
  return nodes;
}

NodeDescription node_of(const Json& json, const std::string& what) {
  NodeDescription node;
  for (const auto& [name, value] : json.object(what)) {
    const std::string named = name + " of " + what;
    if (name == "kind") {
      node.kind = value.text(named);
    } else if (name == "inputs") {
      node.inputs = nodes_of(value, named);
    } else if (name == "attributes") {
      for (const auto& [key, held] : value.object(named)) {
        node.attributes[key] = attribute_of(held, key + " of " + what);
      }
    } else if (name == "parameters") {
      for (const auto& [key, held] : value.object(named)) {
        node.parameters[key] = held.text(key + " of " + what);
      }
    } else if (name == "trainable") {
      node.trainable = value.boolean(named);
    } else if (name == "training") {
      node.training = value.boolean(named) ? Training::always : Training::never;
    } else {
      throw ValueError(what + " has '" + name +
                       "', expected kind, inputs, attributes, parameters, trainable or training");
    }
  }
  return node;
}

GraphDescription graph_of(const Json& json) {
  GraphDescription graph;
  for (const Json& node : json.at("nodes", "the graph").array("nodes")) {
    graph.nodes.push_back(node_of(node, "node " + std::to_string(graph.nodes.size())));
  }
  graph.outputs = nodes_of(json.at("outputs", "the graph"), "outputs of the graph");
  return graph;
}

std::vector<ModelTensor> tensors_of(const Json* signature, const char* what) {
  std::vector<ModelTensor> tensors;
  if (signature == nullptr) return tensors;
  for (const Json& one : signature->at(what, "the signature").array(what)) {
    ModelTensor tensor{one.at("name", what).text("a name of " + std::string(what)), {}, 1};
    for (const Json& size : one.at("shape", what).array("a shape")) {
      tensor.shape.push_back(size.integer("a size of " + tensor.name));
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

// ---- numbers of 16 bits ----

float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

float from_float16(std::uint16_t bits) {
  const std::uint32_t sign = std::uint32_t{bits} >> 15 << 31, magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00) {  // infinities and NaN
    return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  }
  // The exponent's bias is 112 less; a product by a power of two is exact, also of denormals.
  const float scaled = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(scaled));
}

template <class From, class T, class Convert>
void convert(std::span<const std::byte> bytes, T* to, Convert&& value) {
  for (std::size_t i = 0; i < bytes.size() / sizeof(From); ++i) {
    From from;
    std::memcpy(&from, bytes.data() + i * sizeof(From), sizeof from);
    to[i] = static_cast<T>(value(from));
  }
}

template <class T>
constexpr const char* dtype_name = sizeof(T) == sizeof(float) ? "F32" : "F64";

}  // namespace

std::string default_name(const char* what, std::size_t i) {
  return i == 0 ? what : std::string(what) + "_" + std::to_string(i);
}

Document document_of(const TensorFile& file) {
  const auto text = [&](const char* name) {
    const auto found = file.texts.find(name);
    return found == file.texts.end() ? std::string() : found->second;
  };
  if (text("format") != "unitgain" || text("description").empty()) {
    throw ValueError(
        "the file has no description of a unitgain model: it is another program's safetensors "
        "file, with " +
        std::to_string(file.tensors.size()) + " arrays");
  }
  const Json json = Json::parse(text("description"), "the description");
  const Json& number = json.at("version", "the description");
  if (number.integer("the version") != version) {
    throw ValueError("the description is not one of version " + std::to_string(version));
  }
  if (json.find("ensemble") != nullptr) throw ValueError("it holds an ensemble, not one model");
  if (json.find("graph") == nullptr) {
    throw ValueError(json.find("model") == nullptr
                         ? "it has weights alone: save the model with model.save"
                         : "it has no graph of native nodes: the model has a layer that is written "
                           "in Python, or no weights yet");
  }
  Document document;
  document.graph = graph_of(*json.find("graph"));
  const std::string& dtype = json.at("dtype", "the description").text("dtype");
  if (dtype != "float32" && dtype != "float64") {
    throw ValueError("dtype is '" + dtype + "', expected float32 or float64");
  }
  document.dtype = dtype == "float32" ? ElementType::float32 : ElementType::float64;
  if (const Json* scales = json.find("scales"); scales != nullptr) {
    if (dtype != "float32") throw ValueError("it has weights of 8 bits, but is not of float32");
    for (const auto& [name, held] : scales->object("scales")) {
      document.scales[name] = held.text("the scales of " + name);
    }
  }
  const Json* signature = json.find("signature");
  document.inputs = tensors_of(signature, "inputs");
  document.outputs = tensors_of(signature, "outputs");
  // Python has the step beside what training goes on with.
  const Json* training = json.find("training");
  const Json* step = (training == nullptr ? json : *training).find("step");
  if (step != nullptr) document.step = static_cast<std::uint64_t>(step->integer("the step"));
  return document;
}

namespace {

const Tensor& tensor_of(const TensorFile& file, const std::string& name) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) {
    throw ValueError("there is no array '" + name + "', which the graph reads");
  }
  return found->second;
}

// A matrix of 8 bits with its scales, which are copied.
Int8Values int8_values(const TensorFile& file, const std::string& name, const Tensor& tensor,
                       const std::string& scales_name) {
  const auto found = file.tensors.find(scales_name);
  if (found == file.tensors.end()) {
    throw ValueError("there is no array '" + scales_name + "', the scales of '" + name + "'");
  }
  const Tensor& scales = found->second;
  const bool fits = tensor.shape.size() == 2 && scales.shape == std::vector{tensor.shape[1]};
  if (tensor.dtype != "I8" || scales.dtype != "F32" || !fits) {
    throw ValueError("the array '" + name + "' is " + tensor.dtype + " of shape " +
                     base::shape_text(tensor.shape) + " and its scales are " + scales.dtype +
                     " of shape " + base::shape_text(scales.shape) +
                     ", expected a matrix of I8 and an F32 for each column");
  }
  struct Held {
    std::shared_ptr<const void> memory;
    std::vector<float> scales;
  };
  const auto held = std::make_shared<Held>(
      Held{file.memory, std::vector<float>(static_cast<std::size_t>(tensor.shape[1]))});
  if (!scales.bytes.empty()) {
    std::memcpy(held->scales.data(), scales.bytes.data(), scales.bytes.size());
  }
  return {reinterpret_cast<const std::int8_t*>(tensor.bytes.data()), held->scales.data(), held};
}

template <class T>
ParameterPtr<T> int8_parameter(const std::string& name, const Tensor& tensor, Int8Values values,
                               bool as_int8) {
  if (as_int8) return std::make_shared<Parameter<T>>(name, tensor.shape, std::move(values));
  auto made = std::make_shared<Parameter<T>>(name, tensor.shape);
  if constexpr (std::is_same_v<T, float>) {
    const Index rows = tensor.shape[0], cols = tensor.shape[1];
    ops::dequantize_columns(values.values, values.scales, {made->data(), rows, cols, cols, 1});
  }
  return made;
}

}  // namespace

template <class T>
ParameterPtr<T> parameter_of(const TensorFile& file, const Document& document,
                             const std::string& name, bool as_int8) {
  const Tensor& tensor = tensor_of(file, name);
  const auto& [dtype, shape, bytes] = tensor;
  if (const auto scales = document.scales.find(name); scales != document.scales.end()) {
    return int8_parameter<T>(name, tensor, int8_values(file, name, tensor, scales->second),
                             as_int8);
  }
  const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(T) == 0;
  if (dtype == dtype_name<T> && aligned && !bytes.empty()) {
    return std::make_shared<Parameter<T>>(name, shape, reinterpret_cast<T*>(bytes.data()),
                                          file.memory);
  }
  const bool widens = dtype == "F16" || dtype == "BF16" || dtype == "F32" || dtype == dtype_name<T>;
  if (!widens) {
    throw ValueError("the array '" + name + "' is " + dtype + ", expected " + dtype_name<T> +
                     ", or what it holds exactly");
  }
  auto made = std::make_shared<Parameter<T>>(name, shape);
  if (dtype == "F16") {
    convert<std::uint16_t>(bytes, made->data(), from_float16);
  } else if (dtype == "BF16") {
    convert<std::uint16_t>(bytes, made->data(), from_bfloat16);
  } else if (dtype == "F32") {
    convert<float>(bytes, made->data(), [](float value) { return value; });
  } else {
    convert<T>(bytes, made->data(), [](T value) { return value; });
  }
  return made;
}

void check_tensors(std::vector<ModelTensor>& tensors, const std::vector<SampleShape>& shapes,
                   const char* what) {
  if (tensors.empty()) {
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const auto [rows, cols] = shapes[i];
      tensors.push_back({default_name(what, i), {}, 1});
      tensors.back().shape = rows == 1 ? std::vector{cols} : std::vector{rows, cols};
    }
  }
  if (tensors.size() != shapes.size()) {
    throw ValueError(std::to_string(tensors.size()) + " names of " + what +
                     "s, but the graph has " + std::to_string(shapes.size()));
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    ModelTensor& tensor = tensors[i];
    const Index size = shapes[i].size();
    tensor.size = 1;
    for (const Index axis : tensor.shape) {
      if (axis < 1 || tensor.size > size) throw ValueError(tensor.name + " has no such shape");
      if (axis > size / tensor.size) tensor.size = size;  // too many: unequal below
      tensor.size *= axis;
    }
    if (tensor.size != size) {
      throw ValueError(tensor.name + " has shape " + base::shape_text(tensor.shape) +
                       ", but the graph has " + std::to_string(size) + " values of a sample");
    }
  }
}

namespace {

std::string json(const std::vector<ModelTensor>& tensors) {
  return base::json_array(tensors, [](const ModelTensor& tensor) {
    std::string made = "{\"name\":" + base::json(tensor.name);
    return made.append(",\"shape\":").append(base::json_array(tensor.shape)).append("}");
  });
}

}  // namespace

std::map<std::string, std::string> texts_of(const Document& document,
                                            const std::map<std::string, Tensor>& arrays) {
  const bool is_float = document.dtype == ElementType::float32;
  std::string description = "{\"version\":" + std::to_string(version);
  description.append(is_float ? ",\"dtype\":\"float32\"" : ",\"dtype\":\"float64\"")
      .append(",\"graph\":" + to_json(document.graph))
      .append(",\"signature\":{\"inputs\":" + json(document.inputs))
      .append(",\"outputs\":" + json(document.outputs))
      .append("},\"step\":" + base::json(document.step) + "}");
  // What Python's formats/document.py takes the digest of: names are plain ASCII.
  Sha256 digest;
  digest.update(description);
  for (const auto& [name, array] : arrays) {
    std::string title = "[";
    title.append(base::json(name)).append(is_float ? ", \"<f4\", [" : ", \"<f8\", [");
    for (const Index& size : array.shape) {
      title.append(&size == array.shape.data() ? "" : ", ").append(std::to_string(size));
    }
    digest.update(title.append("]]"));
    digest.update(array.bytes);
  }
  return {{"description", description}, {"format", "unitgain"}, {"sha256", digest.digest()}};
}

template ParameterPtr<float> parameter_of(const TensorFile&, const Document&, const std::string&,
                                          bool);
template ParameterPtr<double> parameter_of(const TensorFile&, const Document&, const std::string&,
                                           bool);

}  // namespace unitgain::model
