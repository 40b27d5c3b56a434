#include <algorithm>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "nn/arena.hpp"
#include "nn/plan.hpp"
#include "nn/plan_builder.hpp"
#include "unitgain/loss.hpp"
#include "unitgain/network.hpp"
#include "unitgain/runtime.hpp"

namespace unitgain::tests {

static bool live_together(const nn::Lifetime& a, const nn::Lifetime& b) {
  return a.first <= a.last && b.first <= b.last && a.first <= b.last && b.first <= a.last;
}

static void check_apart(const std::vector<nn::Lifetime>& buffers, const std::vector<Index>& offsets,
                        Index bytes) {
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    CHECK(offsets[i] % 64 == 0, "i = " << i);
    if (buffers[i].first > buffers[i].last) continue;
    CHECK(offsets[i] >= 0 && offsets[i] + buffers[i].bytes <= bytes, "i = " << i);
    for (std::size_t j = 0; j < i; ++j) {
      if (!live_together(buffers[i], buffers[j])) continue;
      const bool apart = offsets[i] + buffers[i].bytes <= offsets[j] ||
                         offsets[j] + buffers[j].bytes <= offsets[i];
      CHECK(apart, "i = " << i << ", j = " << j);
    }
  }
}

UNITGAIN_TEST(buffers_that_live_at_the_same_time_lie_apart) {
  std::mt19937 generator(1);
  const auto draw = [&](int n) { return static_cast<int>(generator() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 200; ++round) {
    std::vector<nn::Lifetime> buffers;
    const int times = 1 + draw(30);
    for (int i = draw(60); i >= 0; --i) {
      const int first = draw(times);
      buffers.push_back(
          {draw(4) == 0 ? 0 : draw(5000), first, first - 1 + draw(times - first + 1)});
    }
    const nn::Arena arena = nn::place(buffers);
    check_apart(buffers, arena.offsets, arena.bytes);
  }
  const nn::Arena chain = nn::place({{640, 0, 1}, {640, 1, 2}, {640, 2, 3}, {640, 3, 4}});
  CHECK(chain.bytes == 1280, "bytes = " << chain.bytes);
}

// Two inputs; a frozen dense layer, a residual block, a concatenation with the second input and a
// dense layer of it; two outputs.
template <class T>
struct Example {
  Graph<T> graph;
  std::vector<NodeId> outputs;
  std::vector<ParameterPtr<T>> parameters;

  NodeId dense(NodeId x, Index units, bool trainable = true) {
    const Index features = graph.node(x).shape.cols;
    auto kernel = std::make_shared<Parameter<T>>("kernel", std::vector<Index>{features, units});
    auto bias = std::make_shared<Parameter<T>>("bias", std::vector<Index>{units});
    for (Index i = 0; i < kernel->size(); ++i) kernel->data()[i] = T(0.01) * T(i % 17 - 8);
    if (trainable) parameters.insert(parameters.end(), {kernel, bias});
    return graph.dense(x, kernel, bias, trainable);
  }

  Example() {
    const ActivationSpec relu = activation_spec("relu"), gelu = activation_spec("gelu");
    const NodeId a = graph.input({1, 20}), b = graph.input({1, 12});
    const NodeId base = graph.activation(dense(a, 48, false), relu);
    const NodeId hidden = graph.activation(dense(base, 64), gelu);
    const NodeId block = graph.activation(dense(hidden, 64), relu);
    const NodeId sum = graph.add({hidden, dense(block, 64)});
    const NodeId joined =
        graph.concatenate({b, graph.activation(dense(sum, 40), gelu), dense(b, 8)});
    outputs = {graph.softmax(dense(joined, 5)), dense(joined, 3)};
  }

  nn::Plan<T> plan(nn::Mode mode, nn::ParameterGradients<T>& gradients,
                   std::vector<std::vector<T>>& memory) const {
    for (const auto& parameter : parameters) {
      memory.emplace_back(static_cast<std::size_t>(parameter->size()));
      gradients.parameters.push_back(parameter.get());
      gradients.gradients.push_back(memory.back().data());
    }
    const std::vector<OutputLoss> losses = {{loss_spec(LossKind::sparse_categorical_crossentropy)},
                                            {loss_spec(LossKind::mean_squared_error), {}, 0.5}};
    return nn::make_plan<T>(
        {graph, outputs, 16, mode, losses, gradients, 2, Precision::highest, &nn::compute_loss<T>});
  }
};

template <class T>
static int count_steps(const nn::Plan<T>& plan, const std::string& name) {
  return static_cast<int>(std::count_if(plan.steps.begin(), plan.steps.end(),
                                        [&](const auto& step) { return step.name == name; }));
}

UNITGAIN_TYPED_TEST(plans_of_a_graph_keep_live_buffers_apart) {
  for (const nn::Mode mode : {nn::Mode::infer, nn::Mode::forward, nn::Mode::evaluate,
                              nn::Mode::train, nn::Mode::explain}) {
    const Example<T> example;
    nn::ParameterGradients<T> gradients;
    std::vector<std::vector<T>> memory;
    const nn::Plan<T> plan = example.plan(mode, gradients, memory);
    check_apart(plan.lifetimes, plan.offsets, plan.arena_bytes);
    Index all = 0;
    for (const nn::Lifetime& buffer : plan.lifetimes) all += buffer.bytes;
    CHECK(plan.arena_bytes < all, "mode " << static_cast<int>(mode));
  }
}

UNITGAIN_TYPED_TEST(a_plan_computes_and_copies_no_more_than_it_must) {
  const Example<T> example;
  nn::ParameterGradients<T> gradients;
  std::vector<std::vector<T>> memory;
  const nn::Plan<T> plan = example.plan(nn::Mode::train, gradients, memory);
  CHECK(count_steps(plan, "dense") == 8, "dense");
  // Not of the frozen layer.
  CHECK(count_steps(plan, "dense kernel gradient") == 7, "kernels");
  // Not of the frozen layer, of what reads it, and of what reads the second input.
  CHECK(count_steps(plan, "dense input gradient") == 5, "inputs");
  // Dense layers and inputs write into the concatenation and read their gradients there.
  CHECK(count_steps(plan, "concatenate") == 0, "concatenate");
  CHECK(count_steps(plan, "gather gradient") == 0, "gather");
  // The sum's gradient meets the residual block's.
  CHECK(count_steps(plan, "add gradient") == 1, "add");
  // The cross-entropy is that of the logits.
  CHECK(count_steps(plan, "softmax") == 0, "softmax");
}

template <class T>
static SampleArray array_of(const std::vector<T>& values, Index rows, Index cols) {
  constexpr auto size = static_cast<Index>(sizeof(T));
  return {values.data(), size == 4 ? ElementType::float32 : ElementType::float64,
          rows,          cols,
          cols * size,   size};
}

// What a network's second output is in the middle of its three, for each row.
static std::vector<double> middle(const Network<double>& network,
                                  const std::vector<std::vector<double>>& x, Index rows) {
  std::vector<double> y(static_cast<std::size_t>(rows * 5)), z(static_cast<std::size_t>(rows * 3));
  double* const to[] = {y.data(), z.data()};
  network.predict(std::vector{array_of(x[0], rows, 20), array_of(x[1], rows, 12)}, to, rows);
  std::vector<double> found;
  for (std::size_t i = 1; i < z.size(); i += 3) found.push_back(z[i]);
  return found;
}

// Differences of a network of double, and both members that tell its derivatives.
UNITGAIN_TYPED_TEST(gradients_at_the_inputs_are_those_of_differences) {
  const Example<T> example;
  const Network<T> network(example.graph, example.outputs);
  const Example<double> example_of_double;
  const Network<double> exact(example_of_double.graph, example_of_double.outputs);
  constexpr Index rows = 3;
  constexpr double step = 1e-6;
  std::mt19937 generator(4);
  std::uniform_real_distribution<float> draw(-1, 1);
  std::vector<std::vector<double>> x = {std::vector<double>(rows * 20),
                                        std::vector<double>(rows * 12)};
  for (auto& array : x) {
    for (double& value : array) value = draw(generator);
  }
  const std::vector<T> first(x[0].begin(), x[0].end()), second(x[1].begin(), x[1].end());
  const std::vector samples = {array_of(first, rows, 20), array_of(second, rows, 12)};
  std::vector<T> upstream(rows * 3), dx(rows * 20), dy(rows * 12), jx(rows * 60), jy(rows * 36);
  for (std::size_t i = 1; i < upstream.size(); i += 3) upstream[i] = 1;
  const T* const given[] = {nullptr, upstream.data()};
  T* const gradients[] = {dx.data(), dy.data()};
  T* const jacobians[] = {jx.data(), jy.data()};
  network.input_gradients(samples, given, gradients, 2);  // in two batches
  network.jacobian(samples, 1, jacobians, 2);
  const double tolerance = sizeof(T) == 4 ? 1e-6 : 1e-9;
  for (std::size_t input = 0; input < 2; ++input) {
    const Index size = network.input_shape(input).size();
    for (Index j = 0; j < size; ++j) {
      const auto move = [&](double by) {
        for (Index i = 0; i < rows; ++i) x[input][static_cast<std::size_t>(i * size + j)] += by;
      };
      move(step);
      const std::vector<double> above = middle(exact, x, rows);
      move(-2 * step);
      const std::vector<double> below = middle(exact, x, rows);
      move(step);
      for (Index i = 0; i < rows; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const double expected = (above[at] - below[at]) / (2 * step);
        const double found = gradients[input][i * size + j];
        const double same = jacobians[input][(i * 3 + 1) * size + j];
        CHECK(std::abs(found - expected) < tolerance, found << ", expected " << expected);
        CHECK(std::abs(same - expected) < tolerance, same << ", expected " << expected);
      }
    }
  }
}

template <class T>
struct Negation final : CustomOperation<T> {
  bool fails = false;
  void forward(std::span<const MatrixView<const T>> inputs, MatrixView<T> output, bool) override {
    if (fails) throw std::runtime_error("it fails");
    for (Index i = 0; i < output.rows * output.cols; ++i) output.data[i] = -inputs[0].data[i];
  }
  void backward(std::span<const MatrixView<const T>>, MatrixView<const T>, MatrixView<const T>,
                std::span<const MatrixView<T>>, std::span<T* const>) override {}
};

UNITGAIN_TYPED_TEST(what_a_custom_operation_throws_comes_out) {
  auto operation = std::make_shared<Negation<T>>();
  Graph<T> graph;
  const NodeId x = graph.input({1, 3});
  const NodeId y = graph.custom({x}, {1, 3}, {operation, {}});
  const Network<T> network(std::move(graph), y);
  const T values[] = {1, 2, 3};
  T results[3] = {};
  const SampleArray samples = {
      values,   sizeof(T) == 4 ? ElementType::float32 : ElementType::float64, 1, 3, 3 * sizeof(T),
      sizeof(T)};
  for (const bool fails : {false, true, false}) {
    operation->fails = fails;
    bool thrown = false;
    std::fill(std::begin(results), std::end(results), T{0});
    try {
      network.predict(samples, results, 1);
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    CHECK(thrown == fails, "fails = " << fails);
    CHECK(fails || results[2] == T(-3), "result " << results[2]);
  }
}

// A thread that is slow to leave the barrier before the operation must not take its failure for one
// of the step before, and leave the others waiting for it.
UNITGAIN_TEST(a_custom_operation_may_fail_while_members_come_late) {
  auto operation = std::make_shared<Negation<float>>();
  Graph<float> graph;
  const NodeId x = graph.input({1, 3});
  const NodeId y = graph.custom({x}, {1, 3}, {operation, {}});
  const Network<float> network(std::move(graph), y);
  const std::vector<float> values(6000, 1.0f);
  std::vector<float> results(6000);
  const SampleArray samples = {values.data(), ElementType::float32, 2000, 3, 12, 4};
  operation->fails = true;
  const int before = set_thread_override(4);
  int thrown = 0;
  for (int run = 0; run < 3000; ++run) {
    try {
      network.predict(samples, results.data(), 2000);
    } catch (const std::runtime_error&) {
      ++thrown;
    }
  }
  set_thread_override(before);
  CHECK(thrown == 3000, "thrown: " << thrown);
}

}  // namespace unitgain::tests
