// Trains one network on 1, 2 ... of the processes that mpiexec has started, and compares the bits
// of its weights.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <random>
#include <unitgain/mpi.hpp>
#include <unitgain/network.hpp>
#include <unitgain/noise.hpp>
#include <vector>

namespace ug = unitgain;

namespace {

constexpr ug::Index features = 12, units = 40, classes = 5, rows = 333;

ug::ParameterPtr<float> parameter(const char* name, std::vector<ug::Index> shape, float scale,
                                  float shift = 0) {
  static std::mt19937 generator;
  std::normal_distribution<float> normal(shift, scale);
  auto made = std::make_shared<ug::Parameter<float>>(name, std::move(shape));
  for (ug::Index i = 0; i < made->size(); ++i) made->data()[i] = normal(generator);
  return made;
}

// The weights after two epochs, from copies of those given.
std::vector<float> train(const std::shared_ptr<ug::Communicator>& communicator,
                         const std::vector<ug::ParameterPtr<float>>& first) {
  std::vector<ug::ParameterPtr<float>> own;
  for (const auto& given : first) {
    own.push_back(std::make_shared<ug::Parameter<float>>(given->name(), given->shape()));
    std::copy_n(given->data(), given->size(), own.back()->data());
  }
  ug::Graph<float> graph;
  const ug::NodeId x = graph.input({1, features});
  ug::NodeId y = graph.dense(x, own[0], own[1]);
  y = graph.batch_norm(y, {own[2], own[3], own[4], own[5], 0.9, 1e-3, 1});
  y = graph.activation(y, ug::activation_spec("relu"));
  y = graph.noise(y, ug::noise_spec("dropout", std::vector<double>{0.2}), 7);
  y = graph.dense(y, own[6], own[7]);
  ug::Network<float> network(std::move(graph), y);
  ug::LossSpec loss = ug::loss_spec(ug::LossKind::sparse_categorical_crossentropy);
  loss.from_logits = true;
  network.compile({.kind = ug::OptimizerKind::adam}, loss);
  network.distribute(ug::Distribution{communicator});

  std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows * features);
  std::vector<std::int32_t> labels(rows);
  for (float& value : values) value = normal(generator);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int>(i % classes);
  const ug::SampleArray samples(values.data(), rows, features);
  const ug::Target target{.labels = labels.data()};
  std::vector<float> found;
  for (int epoch = 0; epoch < 2; ++epoch) {
    const ug::Totals totals =
        network.train({.x = {&samples, 1}, .y = {&target, 1}, .count = rows}, 100);
    found.push_back(static_cast<float>(totals.loss));
  }
  for (const auto& weights : own) {
    found.insert(found.end(), weights->data(), weights->data() + weights->size());
  }
  return found;
}

int compare(int rank, int size) {
  const std::vector<ug::ParameterPtr<float>> first = {
      parameter("a/kernel", {features, units}, 0.3f),
      parameter("a/bias", {units}, 0),
      parameter("norm/gamma", {units}, 0, 1),
      parameter("norm/beta", {units}, 0),
      parameter("norm/mean", {units}, 0),
      parameter("norm/variance", {units}, 0, 1),
      parameter("b/kernel", {units, classes}, 0.3f),
      parameter("b/bias", {classes}, 0)};
  const std::vector<float> alone = train(nullptr, first);
  int different = 0;
  for (int processes = 1; processes <= size; ++processes) {
    MPI_Comm part;
    MPI_Comm_split(MPI_COMM_WORLD, rank < processes ? 0 : MPI_UNDEFINED, rank, &part);
    if (part == MPI_COMM_NULL) continue;
    {
      auto communicator = ug::mpi_communicator(part);
      std::vector<float> weights = train(communicator, first);
      different += weights != alone;
      float sent = rank == 1 ? 3.0f : 0.0f;
      communicator->broadcast(&sent, sizeof sent, processes - 1);
      different += sent != (processes == 2 ? 3.0f : 0.0f);
    }
    MPI_Comm_free(&part);
  }
  return different;
}

}  // namespace

int main(int count, char** arguments) {
  MPI_Init(&count, &arguments);
  int rank = 0, size = 1, failures = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  try {
    failures = compare(rank, size);
    std::printf("process %d of %d: %d differences\n", rank, size, failures);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "process %d: %s\n", rank, error.what());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  MPI_Finalize();
  return failures == 0 ? 0 : 1;
}
