// Graphs as descriptions, and made again from them.
#include <algorithm>
#include <set>
#include <type_traits>
#include <utility>

#include "base/json_text.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace {

using nn::Content;

const char* type_name(const Attribute& value) {
  static constexpr const char* names[] = {"an integer", "an integer", "a number", "a text",
                                          "a list of numbers"};
  return names[value.index()];
}

// Writes a value to where a node holds it, integers where numbers are held among them.
template <class To>
bool assign(const Attribute& value, To& to) {
  if (const auto* same = std::get_if<To>(&value)) {
    to = *same;
    return true;
  }
  if constexpr (std::is_arithmetic_v<To>) {
    return std::visit(
        [&](const auto& number) {
          using From = std::decay_t<decltype(number)>;
          if constexpr (std::is_integral_v<From>) {
            if constexpr (std::is_integral_v<To>) {
              if (!std::in_range<To>(number)) return false;
            }
            to = static_cast<To>(number);
            return true;
          }
          return false;
        },
        value);
  }
  return false;
}

void take_attribute(const std::string& kind, const auto& held,
                    const std::map<std::string, Attribute>& given) {
  const std::string name = held.name;
  const auto found = given.find(name);
  if (found == given.end()) {
    if (held.optional) return;
    throw ValueError(kind + ": " + name + " is missing");
  }
  std::visit(
      [&](auto* to) {
        if (assign(found->second, *to)) return;
        throw ValueError(kind + ": " + name + " is " + type_name(found->second) + ", expected " +
                         type_name(Attribute(*to)));
      },
      held.value);
}

// Throws ValueError for a name that the kind does not have.
void check_known(const std::string& kind, const char* what, const auto& given, const auto& held) {
  for (const auto& [name, value] : given) {
    const auto same = [&](const auto& one) { return name == one.name; };
    if (std::any_of(held.begin(), held.end(), same)) continue;
    throw ValueError(kind + " has no " + what + " '" + name + "'");
  }
}

}  // namespace

template <class T>
NodeId Graph<T>::add_node(const NodeDescription& node, const NamedParameters<T>& parameters) {
  auto operation = nn::make_operation<T>(node.kind);
  const Content<T> content = operation->content();
  check_known(node.kind, "attribute", node.attributes, content.attributes);
  check_known(node.kind, "parameter", node.parameters, content.parameters);
  for (const auto& held : content.attributes) take_attribute(node.kind, held, node.attributes);
  for (const auto& held : content.parameters) {
    const auto name = node.parameters.find(held.name);
    if (name == node.parameters.end()) continue;
    const auto found = parameters.find(name->second);
    if (found == parameters.end() || found->second == nullptr) {
      throw ValueError(node.kind + ": there is no parameter '" + name->second + "' for " +
                       held.name);
    }
    *held.parameter = found->second;
  }
  const NodeId id = append(std::move(operation), node.inputs, node.trainable);
  nodes_.back().training = node.training;
  return id;
}

template <class T>
std::optional<DescribedGraph<T>> Graph<T>::describe(const NamedParameters<T>& named) const {
  DescribedGraph<T> described;
  std::map<const Parameter<T>*, std::string> names;
  std::set<std::string> taken;
  for (const auto& [name, parameter] : named) {
    names.emplace(parameter.get(), name);
    taken.insert(name);
  }
  const auto name_of = [&](const ParameterPtr<T>& parameter) {
    const auto [known, added] = names.try_emplace(parameter.get(), parameter->name());
    std::string& name = known->second;
    if (added) {
      for (int i = 1; !taken.insert(name).second; ++i) {
        name = parameter->name() + ":" + std::to_string(i);
      }
    }
    described.parameters[name] = parameter;
    return name;
  };
  for (const Node<T>& node : nodes_) {
    if (!nn::has_kind(node.operation->kind())) return std::nullopt;
    NodeDescription made{node.operation->kind(), node.inputs,  {}, {},
                         node.trainable,         node.training};
    const auto operation = node.operation->copy();
    const Content<T> content = operation->content();
    for (const auto& held : content.attributes) {
      std::visit([&](const auto* value) { made.attributes[held.name] = *value; }, held.value);
    }
    for (const auto& held : content.parameters) {
      if (*held.parameter != nullptr) made.parameters[held.name] = name_of(*held.parameter);
    }
    described.description.nodes.push_back(std::move(made));
  }
  return described;
}

template <class T>
Graph<T> Graph<T>::from_description(const GraphDescription& description,
                                    const NamedParameters<T>& parameters) {
  Graph graph;
  for (const NodeDescription& node : description.nodes) graph.add_node(node, parameters);
  return graph;
}

namespace {

std::string attribute_json(const Attribute& value) {
  return std::visit(
      [](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<Held, std::vector<double>>) {
          return base::json_array(held);
        } else {
          return base::json(held);
        }
      },
      value);
}

std::string node_json(const NodeDescription& node) {
  std::string made = "{\"kind\":" + base::json(node.kind) +
                     ",\"inputs\":" + base::json_array(node.inputs) +
                     ",\"attributes\":" + base::json_object(node.attributes, attribute_json) +
                     ",\"parameters\":" + base::json_object(node.parameters) +
                     ",\"trainable\":" + base::json(node.trainable);
  if (node.training != Training::as_run) {
    made += ",\"training\":" + base::json(node.training == Training::always);
  }
  return made + "}";
}

}  // namespace

std::string to_json(const GraphDescription& graph) {
  return "{\"nodes\":" + base::json_array(graph.nodes, node_json) +
         ",\"outputs\":" + base::json_array(graph.outputs) + "}";
}

#define UNITGAIN_INSTANTIATE(T)                                                                  \
  template NodeId Graph<T>::add_node(const NodeDescription&, const NamedParameters<T>&);         \
  template std::optional<DescribedGraph<T>> Graph<T>::describe(const NamedParameters<T>&) const; \
  template Graph<T> Graph<T>::from_description(const GraphDescription&, const NamedParameters<T>&)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain
