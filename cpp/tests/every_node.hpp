#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "unitgain/graph.hpp"
#include "unitgain/noise.hpp"

namespace unitgain::tests {

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
    x = graph.noise(x, noise_spec("alpha_dropout", std::vector{0.25}), 9, {{2, 6}, {0, 2}});
    x = graph.keep_where(x, graph.differs(x, 0.5), -1);
    BatchNormNode<T> renormalized = {
        nullptr, nullptr, parameter("moving mean", {6}), parameter("moving variance", {6}, 1),
        0.9,     1e-3};
    renormalized.moving_deviation = parameter("moving deviation", {6}, 1);
    renormalized.renorm_mean = parameter("renorm mean", {6});
    renormalized.renorm_deviation = parameter("renorm deviation", {6}, 1);
    renormalized.renorm = {0.9, 0.5, 2, 3};
    x = graph.batch_norm(x, renormalized, true, graph.differs(x, 0));
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

}  // namespace unitgain::tests
