#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "check.hpp"
#include "every_node.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"
#include "unitgain/network.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::tests {

namespace {

template <class T>
std::vector<std::vector<T>> predictions(const Graph<T>& graph, const std::vector<NodeId>& outputs) {
  const Network<T> network(graph, outputs);
  constexpr Index rows = 5;
  constexpr auto size = static_cast<Index>(sizeof(T));
  std::vector<T> values(rows * 12);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = T(std::cos(double(i)));
  const SampleArray x = {values.data(), size == 4 ? ElementType::float32 : ElementType::float64,
                         rows,          12,
                         12 * size,     size};
  const std::vector<SampleArray> inputs(2, x);
  std::vector<std::vector<T>> y;
  std::vector<T*> to;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    y.emplace_back(static_cast<std::size_t>(rows * network.output_shape(i).size()));
  }
  for (auto& one : y) to.push_back(one.data());
  network.predict(inputs, to, 3);
  return y;
}

template <class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

UNITGAIN_TYPED_TEST(a_graph_made_of_its_description_predicts_the_same_bits) {
  const Every<T> every;
  std::set<std::string> kinds;
  for (const auto& node : every.graph.nodes()) kinds.insert(node.operation->kind());
#define UNITGAIN_ROW(kind) CHECK(kinds.count(#kind) == 1, "there is no node of kind " #kind);
  UNITGAIN_NODE_KINDS(UNITGAIN_ROW)
#undef UNITGAIN_ROW

  const auto described = every.graph.describe();
  CHECK(described.has_value(), "no description");
  const auto again = Graph<T>::from_description(described->description, described->parameters);
  CHECK(predictions(again, every.outputs) == predictions(every.graph, every.outputs), "outputs");
  const auto twice = again.describe(described->parameters);
  CHECK(to_json(twice->description) == to_json(described->description),
        to_json(twice->description) << "\n"
                                    << to_json(described->description));
  for (std::size_t i = 0; i < again.nodes().size(); ++i) {
    const Node<T>&one = every.graph.nodes()[i], other = again.nodes()[i];
    CHECK(one.trainable == other.trainable && one.training == other.training, "node " << i);
    CHECK(one.operation->parameters() == other.operation->parameters(), "node " << i);
  }
}

UNITGAIN_TYPED_TEST(a_frozen_graph_is_described_with_the_kernels_that_it_uses) {
  const Every<T> every;
  const Graph<T> frozen = every.graph.frozen(Precision::highest);
  const auto described = frozen.describe();
  const auto again = Graph<T>::from_description(described->description, described->parameters);
  CHECK(!again.is_frozen(), "frozen");
  CHECK(predictions(again, every.outputs) == predictions(every.graph, every.outputs), "outputs");
}

UNITGAIN_TYPED_TEST(parameters_are_described_by_different_names) {
  Every<T> every;
  const auto known = every.graph.nodes()[2].operation->parameters();
  const auto described = every.graph.describe({{"bias", nullptr}, {"first", known[0]}});
  const auto& parameters = described->description.nodes[2].parameters;
  CHECK(parameters.at("kernel") == "first", parameters.at("kernel"));
  CHECK(parameters.at("bias") == "bias:1", parameters.at("bias"));
  std::set<const Parameter<T>*> different;
  for (const auto& [name, parameter] : described->parameters) different.insert(parameter.get());
  CHECK(different.size() == described->parameters.size(), "shared names");
}

UNITGAIN_TEST(a_description_is_written_as_json) {
  GraphDescription graph;
  graph.nodes.push_back({"in\"put\n", {}, {{"rows", Index{-1}}, {"key", ~std::uint64_t{0}}}});
  const double unbounded = std::numeric_limits<double>::infinity();
  graph.nodes.push_back({"dense",
                         {0, 2},
                         {{"list", std::vector<double>{0.1, 1, unbounded, -unbounded}}, {"x", "y"}},
                         {{"kernel", "a/b"}},
                         true,
                         Training::never});
  graph.outputs = {1};
  const std::string expected =
      R"({"nodes":[{"kind":"in\"put\u000a","inputs":[],"attributes":{"key":18446744073709551615,)"
      R"("rows":-1},"parameters":{},"trainable":false},{"kind":"dense","inputs":[0,2],)"
      R"("attributes":{"list":[0.1,1.0,"inf","-inf"],"x":"y"},"parameters":{"kernel":"a/b"},)"
      R"("trainable":true,"training":false}],"outputs":[1]})";
  CHECK(to_json(graph) == expected, to_json(graph));
}

UNITGAIN_TEST(a_description_that_makes_no_graph_is_refused) {
  const auto error = [](const NodeDescription& node,
                        const NamedParameters<float>& parameters = {}) {
    return refusal([&] {
      Graph<float> graph;
      graph.input({1, 3});
      graph.add_node(node, parameters);
    });
  };
  const auto has = [](const std::string& message, const char* part) {
    CHECK(message.find(part) != message.npos, "'" << message << "' does not say: " << part);
  };
  has(error({"dens", {0}}), "unknown node kind 'dens', expected one of activation, ");
  has(error({"custom", {0}}), "unknown node kind 'custom'");
  has(error({"dense", {0}}), "kernel is missing");
  has(error({"dense", {0}, {}, {{"kernel", "k"}}}), "there is no parameter 'k' for kernel");
  has(error({"dense", {0}, {}, {{"weights", "k"}}}), "dense has no parameter 'weights'");
  has(error({"softmax", {0}, {{"axis", Index{1}}}}), "softmax has no attribute 'axis'");
  has(error({"softmax", {1}}), "no node 1");
  has(error({"softmax", {0, 0}}), "softmax has 2 inputs, expected one");
  has(error({"activity", {0}, {{"l1", 1.0}}}), "activity: l2 is missing");
  has(error({"activity", {0}, {{"l1", "1"}, {"l2", 1.0}}}), "l1 is a text, expected a number");
  has(error({"transpose", {0}, {{"rows", 1.0}}}), "rows is a number, expected an integer");
  has(error({"reshape", {0}, {{"rows", Index{-1}}, {"cols", Index{-3}}}}), "cannot be reshaped");
  const Index huge = Index{1} << 62;
  has(error({"input", {}, {{"rows", huge}, {"cols", huge}}}), "too many values");
  has(error({"transpose", {0}, {{"rows", ~std::uint64_t{0}}}}), "expected an integer");
}

}  // namespace unitgain::tests
