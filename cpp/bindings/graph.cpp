// Graphs. A kind's method is made of what the kind says of itself, and so are descriptions.
#include "graph.hpp"

#include <optional>
#include <variant>

#include "expression.hpp"
#include "nn/node.hpp"
#include "python_operation.hpp"

namespace unitgain::bindings {

namespace {

// ---- descriptions as Python has them: what json.loads() makes of to_json() ----

double number_of(const py::handle& value) {
  if (py::isinstance<py::str>(value)) {
    const auto text = py::cast<std::string>(value);
    if (text == "inf" || text == "-inf" || text == "nan") return std::stod(text);
  }
  const double number = PyFloat_AsDouble(value.ptr());
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  return number;
}

Attribute attribute_of(const py::handle& value) {
  if (py::isinstance<py::str>(value)) {
    auto text = py::cast<std::string>(value);
    if (text == "inf" || text == "-inf" || text == "nan") return number_of(value);
    return text;
  }
  if (PyIndex_Check(value.ptr()) != 0) {
    const auto integer = py::reinterpret_steal<py::int_>(PyNumber_Index(value.ptr()));
    if (!integer) throw py::error_already_set();
    if (integer < py::int_(0)) return py::cast<Index>(integer);
    return py::cast<std::uint64_t>(integer);
  }
  if (py::isinstance<py::sequence>(value)) {
    std::vector<double> numbers;
    for (const py::handle& one : value) numbers.push_back(number_of(one));
    return numbers;
  }
  return number_of(value);
}

std::optional<bool> training_or_none(Training training) {
  if (training == Training::as_run) return std::nullopt;
  return training == Training::always;
}

Training training_of(std::optional<bool> training) {
  if (!training) return Training::as_run;
  return *training ? Training::always : Training::never;
}

NodeDescription node_of(const py::dict& given) {
  NodeDescription node;
  for (const auto& [key, value] : given) {
    const auto name = py::cast<std::string>(key);
    if (name == "kind") {
      node.kind = py::cast<std::string>(value);
    } else if (name == "inputs") {
      node.inputs = py::cast<std::vector<NodeId>>(value);
    } else if (name == "attributes") {
      for (const auto& [attribute, held] : py::cast<py::dict>(value)) {
        node.attributes[py::cast<std::string>(attribute)] = attribute_of(held);
      }
    } else if (name == "parameters") {
      node.parameters = py::cast<std::map<std::string, std::string>>(value);
    } else if (name == "trainable") {
      node.trainable = py::cast<bool>(value);
    } else if (name == "training") {
      node.training = training_of(py::cast<std::optional<bool>>(value));
    } else {
      throw ValueError("a node's description has '" + name +
                       "', expected kind, inputs, attributes, parameters, trainable or training");
    }
  }
  return node;
}

template <class T>
Graph<T> from_description(const py::dict& given, const NamedParameters<T>& parameters) {
  GraphDescription description;
  if (!given.contains("nodes")) throw ValueError("the description of a graph has no nodes");
  for (const py::handle& node : given["nodes"]) {
    description.nodes.push_back(node_of(py::cast<py::dict>(node)));
  }
  return Graph<T>::from_description(description, parameters);
}

// ---- a method for each kind ----

// The name of an argument with its type, as pybind11 writes them.
using Argument = std::pair<std::string, const char*>;

// The arguments: the inputs, then what the node holds in its order, then whether that is trained.
template <class T>
std::vector<Argument> arguments_of(nn::Operation<T>& operation) {
  static constexpr const char* types[] = {"int", "int", "float", "str", "Sequence[float]"};
  std::vector<Argument> arguments;
  if (operation.arity() == nn::Arity::one) arguments.emplace_back("x", "int");
  if (operation.arity() == nn::Arity::several) arguments.emplace_back("inputs", "Sequence[int]");
  const nn::Content<T> content = operation.content();
  for (const auto& held : content.parameters) {
    arguments.emplace_back(held.name, "Optional[Parameter]");
  }
  for (const auto& held : content.attributes) {
    arguments.emplace_back(held.name, types[held.value.index()]);
  }
  if (!content.parameters.empty()) arguments.emplace_back("trainable", "bool");
  return arguments;
}

// The arguments of a call by name.
std::map<std::string, py::object> by_name(const std::string& kind,
                                          const std::vector<Argument>& arguments,
                                          const py::args& args, const py::kwargs& kwargs) {
  if (args.size() > arguments.size()) {
    throw TypeError(kind + " takes " + std::to_string(arguments.size()) + " arguments, not " +
                    std::to_string(args.size()));
  }
  std::map<std::string, py::object> given;
  for (std::size_t i = 0; i < args.size(); ++i) given[arguments[i].first] = args[i];
  for (const auto& [key, value] : kwargs) {
    const auto name = py::cast<std::string>(key);
    if (!given.emplace(name, py::cast<py::object>(value)).second) {
      throw TypeError(kind + " is given two values of " + name);
    }
  }
  return given;
}

template <class T>
NodeId add_node(Graph<T>& graph, const std::string& kind, const std::vector<Argument>& arguments,
                const py::args& args, const py::kwargs& kwargs) {
  NodeDescription node{kind};
  node.training = graph.training();
  NamedParameters<T> parameters;
  for (const auto& [name, value] : by_name(kind, arguments, args, kwargs)) {
    if (name == "x") {
      node.inputs = {py::cast<NodeId>(value)};
    } else if (name == "inputs") {
      node.inputs = py::cast<std::vector<NodeId>>(value);
    } else if (name == "trainable") {
      node.trainable = py::cast<bool>(value);
    } else if (py::isinstance<Parameter<T>>(value)) {
      node.parameters[name] = name;
      parameters[name] = py::cast<ParameterPtr<T>>(value);
    } else if (!value.is_none()) {
      node.attributes[name] = attribute_of(value);
    }
  }
  return graph.add_node(node, parameters);
}

// The programs of a pass: forward, saving and backward, of which the last two may be None; and
// whether the last reads the output.
ExpressionPasses passes_of(const py::sequence& programs) {
  const auto program = [&](std::size_t i) -> ExpressionPtr {
    const py::object one = programs[i];
    return one.is_none() ? nullptr : expression_program(one);
  };
  return {program(0), program(1), program(2), py::cast<bool>(programs[3])};
}

template <class T>
void bind_kind(py::class_<Graph<T>>& graph, const std::string& kind) {
  const std::vector<Argument> arguments = arguments_of(*nn::make_operation<T>(kind));
  std::string signature = kind + "(self: Graph";
  for (const auto& [name, type] : arguments) signature.append(", " + name + ": " + type);
  signature += ") -> int";
  const auto method = [kind, arguments](Graph<T>& g, const py::args& args,
                                        const py::kwargs& kwargs) {
    return add_node(g, kind, arguments, args, kwargs);
  };
  py::options options;
  options.disable_function_signatures();
  graph.def(kind.c_str(), method, signature.c_str());
}

}  // namespace

template <class T>
py::object describe(const Network<T>& network, const NamedParameters<T>& named) {
  auto described = network.graph().describe(named);
  if (!described) return py::none();
  described->description.outputs = network.outputs();
  const auto loads = py::module_::import("json").attr("loads");
  return py::make_tuple(loads(to_json(described->description)), described->parameters);
}

template <class T>
void bind_graph(py::module_& module) {
  py::class_<Parameter<T>, ParameterPtr<T>>(module, "Parameter")
      .def(py::init<std::string, std::vector<Index>>(), py::arg("name"), py::arg("shape"))
      .def_property_readonly("name", &Parameter<T>::name)
      .def_property_readonly("shape",
                             [](const Parameter<T>& p) { return py::tuple(py::cast(p.shape())); })
      .def_property_readonly("array", &parameter_array<T>, "The values, not a copy of them.");

  py::class_<Graph<T>> graph(module, "Graph");
  graph.def(py::init<>())
      .def_property(
          "training", [](const Graph<T>& g) { return training_or_none(g.training()); },
          [](Graph<T>& g, std::optional<bool> training) { g.set_training(training_of(training)); },
          "Whether the nodes added from now on do what training does; None: as the network runs.")
      .def_property_readonly(
          "kinds",
          [](const Graph<T>& g) {
            std::vector<std::string> kinds;
            for (const auto& node : g.nodes()) kinds.emplace_back(node.operation->kind());
            return kinds;
          },
          "The kind of each node, custom for those that call Python.")
      .def_static("from_description", &from_description<T>, py::arg("description"),
                  py::arg("parameters"),
                  "The graph that Network.describe() gave, of parameters by its names.")
      .def(
          "add_node",
          [](Graph<T>& g, const py::dict& description, const NamedParameters<T>& parameters) {
            NodeDescription node = node_of(description);
            if (node.training == Training::as_run) node.training = g.training();
            return g.add_node(node, parameters);
          },
          py::arg("description"), py::arg("parameters"), "One node of such a description.")
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
          py::arg("forward"), py::arg("backward"), py::arg("trainable"))
      .def(
          "expression",
          [](Graph<T>& g, const std::vector<NodeId>& inputs, Index rows, Index cols,
             std::vector<ParameterPtr<T>> parameters, const py::sequence& infer,
             const py::sequence& train, bool trainable) {
            ExpressionNode<T> node{passes_of(infer), passes_of(train), std::move(parameters)};
            return g.expression(inputs, {rows, cols}, std::move(node), trainable);
          },
          py::arg("inputs"), py::arg("rows"), py::arg("cols"), py::arg("parameters"),
          py::arg("infer"), py::arg("train"), py::arg("trainable"));
  for (const std::string_view kind : nn::kinds()) bind_kind(graph, std::string(kind));
}

template py::object describe(const Network<float>&, const NamedParameters<float>&);
template py::object describe(const Network<double>&, const NamedParameters<double>&);
template void bind_graph<float>(py::module_&);
template void bind_graph<double>(py::module_&);

}  // namespace unitgain::bindings
