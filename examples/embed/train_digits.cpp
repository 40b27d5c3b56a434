// Trains a classifier of scikit-learn's digits in C++ and saves it for Python, where
//   unitgain.load_model("digits.safetensors")
// makes a model of it. The data are float32, one sample of 64 pixels and its label behind the
// other, as this writes them:
//   import numpy as np, unitgain as ug
//   (x, y), _ = ug.datasets.load_digits()
//   np.column_stack([x, y]).astype("float32").tofile("digits.f32")
// Without a file, ten clusters are generated in their place.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <unitgain/model.hpp>
#include <unitgain/network.hpp>
#include <utility>
#include <vector>

namespace ug = unitgain;

constexpr ug::Index features = 64, classes = 10;

struct Data {
  std::vector<float> x;
  std::vector<std::int32_t> labels;
};

Data read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto* values = reinterpret_cast<const float*>(bytes.data());
  Data data;
  for (std::size_t at = 0; at + features < bytes.size() / sizeof(float); at += features + 1) {
    data.x.insert(data.x.end(), values + at, values + at + features);
    data.labels.push_back(static_cast<std::int32_t>(values[at + features]));
  }
  return data;
}

Data generate() {
  std::mt19937 generator(0);
  std::normal_distribution<float> normal;
  std::vector<float> centres(classes * features);
  for (float& value : centres) value = normal(generator);
  Data data;
  for (int i = 0; i < 2000; ++i) {
    data.labels.push_back(i % classes);
    for (ug::Index j = 0; j < features; ++j) {
      data.x.push_back(centres[data.labels.back() * features + j] + normal(generator));
    }
  }
  return data;
}

// A dense layer with He's initial weights.
ug::NodeId dense(ug::Graph<float>& graph, ug::NodeId x, ug::Index units, const std::string& name) {
  static std::mt19937 generator(1);
  const ug::Index inputs = graph.node(x).shape.cols;
  auto kernel =
      std::make_shared<ug::Parameter<float>>(name + "/kernel", std::vector{inputs, units});
  auto bias = std::make_shared<ug::Parameter<float>>(name + "/bias", std::vector{units});
  std::normal_distribution<float> normal(0, std::sqrt(2.0f / static_cast<float>(inputs)));
  for (ug::Index i = 0; i < kernel->size(); ++i) kernel->data()[i] = normal(generator);
  return graph.dense(x, std::move(kernel), std::move(bias));
}

int main(int count, char** arguments) try {
  const std::string path = count > 1 ? arguments[1] : "digits.safetensors";
  const Data data = count > 2 ? read(arguments[2]) : generate();

  ug::Graph<float> graph;
  const ug::NodeId x = graph.input({1, features});
  ug::NodeId y = graph.activation(dense(graph, x, 128, "hidden"), ug::activation_spec("relu"));
  y = graph.softmax(dense(graph, y, classes, "scores"));
  ug::Network<float> network(std::move(graph), y);
  network.compile({.kind = ug::OptimizerKind::adam},
                  ug::loss_spec(ug::LossKind::sparse_categorical_crossentropy));

  const auto rows = static_cast<ug::Index>(data.labels.size());
  const ug::SampleArray samples(data.x.data(), rows, features);
  const ug::Target target{.labels = data.labels.data()};
  std::vector<ug::Index> order(data.labels.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<ug::Index>(i);
  std::mt19937 generator(2);
  double loss = 0;
  for (int epoch = 0; epoch < 20; ++epoch) {
    std::shuffle(order.begin(), order.end(), generator);
    const ug::Totals totals = network.train(
        {.x = {&samples, 1}, .y = {&target, 1}, .order = order.data(), .count = rows}, 32);
    loss = totals.loss / totals.weight;
  }
  ug::save_model(path, network, {{"pixels"}, {"digit"}});

  const ug::Model model = ug::load_model(path);
  std::vector<float> outputs(data.labels.size() * classes);
  model.predict({data.x.data(), rows, features}, {outputs.data(), rows, classes});
  int right = 0;
  for (ug::Index i = 0; i < rows; ++i) {
    const float* row = outputs.data() + i * classes;
    right += std::max_element(row, row + classes) - row == data.labels[i];
  }
  std::printf("loss %.3f, accuracy %.3f of %d samples\n", loss,
              static_cast<double>(right) / static_cast<double>(rows), static_cast<int>(rows));
  return right > 0.9 * static_cast<double>(rows) ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
