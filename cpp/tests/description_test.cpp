#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <set>
#include <vector>

#include "check.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"
#include "unitgain/network.hpp"
#include "unitgain/noise.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::tests {

namespace {

// A graph with a node of each kind, and some of several attributes.
template <class T>
struct Every {
  Graph<T> graph;
  std::vector<NodeId> outputs;
  int count = 0;

  ParameterPtr<T> parameter(const char* name, std::vector<Index> shape, double offset = 0) {
    auto made = std::make_shared<Parameter<T>>(name, std::move(shape));
    for (Index i = 0; i < made->size(); ++i) {
      made->data()[i] = static_cast<T>(offset + 0.3 * std::sin(double(++count)));
    }
    return made;
  }

  Every() {
    const NodeId a = graph.input({2, 6}), b = graph.input({1, 12});
    const auto shared = parameter("kernel", {6, 6}), bias = parameter("bias", {6});
    const auto dense = [&](NodeId x, bool trainable = true) {
      return graph.dense(x, shared, bias, trainable);
    };
    const auto activation = [&](NodeId x, const char* name) {
      return graph.activation(x, activation_spec(name));
    };
    ActivationSpec clipped = activation_spec("relu");
    clipped.parameters[0] = 0.1;
    clipped.parameters[2] = -0.25;
    const ActivationSpec plain = {Activation::relu, {}};
    NodeId x = activation(dense(a, false), "gelu");
    x = graph.batch_norm(dense(x), {nullptr, parameter("beta", {6}), parameter("mean", {6}),
                                    parameter("variance", {6}, 1), 0.99, 1e-3});
    x = graph.activation(x, specialized(clipped));
    x = graph.layer_norm(x, {parameter("gamma", {6}, 1), nullptr, 1.0 / 3});
    x = graph.cluster_distance(x, parameter("centers", {6, 6}), parameter("bandwidth", {1}, 2),
                               "exponent");
    x = graph.prelu(x, {parameter("alpha", {2, 1}), {2, 1}});
    graph.set_training(Training::always);
    x = graph.noise(x, noise_spec("gaussian_noise", std::vector{0.5}), ~std::uint64_t{0});
    graph.set_training(Training::never);
    x = graph.noise(x, noise_spec("dropout", std::vector{0.25}), 3);
    graph.set_training(Training::as_run);
    x = graph.noise(x, noise_spec("rrelu", std::vector{0.1, 0.4}), 7);
    x = graph.activity(graph.transpose(x, 2), 0.125, 0);
    const NodeId y = graph.reshape(b, {6, 2});
    x = graph.concatenate({graph.add({x, y, graph.softmax(y)}), x});
    const NodeId rows = graph.embedding(activation(b, "step"), parameter("embeddings", {2, 3}));
    const NodeId unit =
        graph.unit_norm(graph.rms_norm(rows, {parameter("scale", {3}, 1), 1e-6}), 1e-12);
    const NodeId extremes =
        graph.multiply({graph.maximum({unit, rows}), graph.minimum({unit, rows})});
    outputs = {x, graph.log_softmax(graph.activation(b, plain)),
               graph.glu(graph.dot({extremes, rows}))};
  }
};

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
