// Distances from centres, in the form that an affinity is made of. With d^2 = ||x||^2 - 2 x.c +
// ||c||^2 and s its gradient: dx = 2 (x sum_j s_j - s C), dC = 2 (C sum_i s_i - s^T X).
#include <algorithm>
#include <cmath>

#include "base/shape_text.hpp"
#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "ops/column_sums.hpp"
#include "ops/gemm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/cluster.hpp"
#include "simd/kernels/softmax.hpp"
#include "simd/kernels/vector.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

// distance: d. exponent: -d^2 / (2 h^2) of the bandwidth h, whose exponential is rbf's affinity,
// and whose softmax the soft one. one_hot: 1 for the nearest centre, else 0, which has no gradient.
enum class Form { distance, exponent, one_hot };

Form form_named(const std::string& name) {
  if (name == "distance") return Form::distance;
  if (name == "exponent") return Form::exponent;
  if (name == "one_hot") return Form::one_hot;
  throw ValueError("form is '" + name + "', expected distance, exponent or one_hot");
}

template <class T>
class ClusterDistance final : public Kind<ClusterDistance<T>, T> {
 public:
  static constexpr const char* kind_name = "cluster_distance";

  ClusterDistance() = default;
  ClusterDistance(ParameterPtr<T> centers, ParameterPtr<T> bandwidth, std::string form)
      : centers_(std::move(centers)), bandwidth_(std::move(bandwidth)), form_(std::move(form)) {}

  Content<T> content() override {
    return {{{"centers", &centers_, true}, {"bandwidth", &bandwidth_, false}}, {{"form", &form_}}};
  }
  SampleShape bind(std::span<const SampleShape> inputs) override;

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  void centers_gradient(PlanBuilder<T>& builder, BufferId x, BufferId slopes, Index rows) const;
  void input_gradient(PlanBuilder<T>& builder, NodeId source, BufferId x, BufferId slopes) const;

  ParameterPtr<T> centers_;    // (clusters, features)
  ParameterPtr<T> bandwidth_;  // (1), above 0
  std::string form_;
};

template <class T>
SampleShape ClusterDistance<T>::bind(std::span<const SampleShape> inputs) {
  const SampleShape shape = inputs[0];
  form_named(form_);
  if (centers_ == nullptr) throw ValueError("centers are missing");
  if (centers_->shape().size() != 2 || centers_->shape()[1] != shape.cols ||
      centers_->shape()[0] == 0) {
    throw ValueError("centers have shape " + base::shape_text(centers_->shape()) + ", but x has " +
                     std::to_string(shape.cols) + " features");
  }
  check_vector(bandwidth_, "bandwidth", 1, false);
  return {shape.rows, centers_->shape()[0]};
}

template <class T>
MatrixView<const T> matrix(const T* data, Index rows, Index cols) {
  return {data, rows, cols, cols, 1};
}

template <class T>
T exponent_factor(T bandwidth) {
  return static_cast<T>(-0.5 / (static_cast<double>(bandwidth) * static_cast<double>(bandwidth)));
}

// Products to the node's output, of as many rows as a block has.
template <class T>
void finish_block(Form form, T factor, const T* x, const T* centers, const T* center_squares,
                  Index rows, Index clusters, Index cols, T* y) {
  constexpr Index most = 64;
  const auto& kernels = runtime::kernels<T>();
  T squares[most];
  for (Index i = 0; i < rows; ++i) {
    squares[i] = kernels.vector->dot(x + i * cols, x + i * cols, cols);
  }
  kernels.cluster->squared_distances(y, clusters, rows, clusters, squares, center_squares, x, cols,
                                     centers, cols, cols, y, clusters);
  if (form == Form::distance) return kernels.cluster->square_roots(y, y, rows * clusters);
  kernels.vector->scale(factor, y, rows * clusters);
  if (form == Form::exponent) return;
  std::int32_t labels[most];  // the largest exponents are the least distances
  kernels.softmax->argmax(y, rows, clusters, labels);
  std::fill_n(y, rows * clusters, T{0});
  for (Index i = 0; i < rows; ++i) y[i * clusters + labels[i]] = T{1};
}

template <class T>
void ClusterDistance<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  const Index rows = builder.rows(group.head);
  const Index clusters = centers_->shape()[0], features = centers_->shape()[1];
  const BufferId x = builder.value(source), y = builder.value(group.result);
  const BufferId squares = builder.buffer(clusters);
  const BufferId workspace = builder.workspace(
      ops::gemm_workspace<T>(rows, clusters, features, builder.threads(), builder.precision()));
  builder.step(
      "cluster products", ops::gemm_work(rows, clusters, features), {x, y, squares, workspace},
      [=, precision = builder.precision(), centers = centers_](const runtime::Team& team,
                                                               const Context<T>& context) {
        const runtime::Range mine = team.share(clusters, 16);
        for (Index j = mine.begin; j < mine.end; ++j) {
          const T* center = centers->data() + j * features;
          context.at(squares)[j] = runtime::kernels<T>().vector->dot(center, center, features);
        }
        ops::Gemm<T> product;
        product.a = matrix<T>(context.at(x), rows, features);
        product.b = ops::transposed(matrix<T>(centers->data(), clusters, features));
        product.c = {context.at(y), rows, clusters, clusters, 1};
        product.precision = precision;
        ops::gemm(team, product, context.template at<std::byte>(workspace));
      });
  builder.step(
      "cluster distances", 0.3 * static_cast<double>(rows * (clusters + features)), {x, y, squares},
      [=, form = form_named(form_), centers = centers_, bandwidth = bandwidth_](
          const runtime::Team& team, const Context<T>& context) {
        constexpr Index block = 64;
        const T factor = form == Form::one_hot ? T{-1} : exponent_factor(bandwidth->data()[0]);
        const runtime::Range mine = team.share(rows, 16);
        for (Index first = mine.begin; first < mine.end; first += block) {
          finish_block(form, factor, context.at(x) + first * features, centers->data(),
                       context.at(squares), std::min(block, mine.end - first), clusters, features,
                       context.at(y) + first * clusters);
        }
      });
}

template <class T>
void ClusterDistance<T>::centers_gradient(PlanBuilder<T>& builder, BufferId x, BufferId slopes,
                                          Index rows) const {
  const auto target = builder.begin_parameter(centers_);
  if (target.gradient == nullptr) return;
  const Index clusters = centers_->shape()[0], features = centers_->shape()[1];
  const BufferId sums = builder.buffer(clusters);
  const BufferId workspace = builder.workspace(
      ops::gemm_workspace<T>(clusters, features, rows, builder.threads(), builder.precision()));
  builder.step("cluster centers gradient", ops::gemm_work(clusters, features, rows),
               {x, slopes, sums, workspace},
               [=, precision = builder.precision(), centers = centers_](const runtime::Team& team,
                                                                        const Context<T>& context) {
                 ops::column_sums<T>(team, context.at(slopes), clusters, rows, clusters,
                                     context.at(sums));
                 ops::Gemm<T> product;
                 product.a = ops::transposed(matrix<T>(context.at(slopes), rows, clusters));
                 product.b = matrix<T>(context.at(x), rows, features);
                 product.c = {target.gradient, clusters, features, features, 1};
                 product.alpha = T{-2};
                 product.beta = target.accumulate ? T{1} : T{0};
                 product.precision = precision;
                 ops::gemm(team, product, context.template at<std::byte>(workspace));
                 team.barrier();
                 const runtime::Range mine = team.share(clusters);
                 for (Index j = mine.begin; j < mine.end; ++j) {
                   runtime::kernels<T>().vector->axpy(T{2} * context.at(sums)[j],
                                                      centers->data() + j * features,
                                                      target.gradient + j * features, features);
                 }
               });
}

template <class T>
void ClusterDistance<T>::input_gradient(PlanBuilder<T>& builder, NodeId source, BufferId x,
                                        BufferId slopes) const {
  const Index rows = builder.rows(source);
  const Index clusters = centers_->shape()[0], features = centers_->shape()[1];
  const BufferId dx = builder.begin_gradient(source);
  const BufferId workspace = builder.workspace(
      ops::gemm_workspace<T>(rows, features, clusters, builder.threads(), builder.precision()));
  builder.step("cluster input gradient", ops::gemm_work(rows, features, clusters),
               {x, slopes, dx, workspace},
               [=, precision = builder.precision(), centers = centers_](const runtime::Team& team,
                                                                        const Context<T>& context) {
                 ops::Gemm<T> product;
                 product.a = matrix<T>(context.at(slopes), rows, clusters);
                 product.b = matrix<T>(centers->data(), clusters, features);
                 product.c = {context.at(dx), rows, features, features, 1};
                 product.alpha = T{-2};
                 product.precision = precision;
                 ops::gemm(team, product, context.template at<std::byte>(workspace));
                 team.barrier();
                 const runtime::Range mine = team.share(rows, 16);
                 for (Index i = mine.begin; i < mine.end; ++i) {
                   const T* slope = context.at(slopes) + i * clusters;
                   T sum = 0;
                   for (Index j = 0; j < clusters; ++j) sum += slope[j];
                   runtime::kernels<T>().vector->axpy(T{2} * sum, context.at(x) + i * features,
                                                      context.at(dx) + i * features, features);
                 }
               });
  builder.finish_gradient(source, dx);
}

template <class T>
void ClusterDistance<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  const Index rows = builder.rows(group.head), clusters = centers_->shape()[0];
  const BufferId x = builder.value(source), y = builder.value(group.result);
  const BufferId dy = builder.gradient(group.result);
  const BufferId slopes = builder.buffer(rows * clusters);
  builder.step("cluster slopes", 0.5 * static_cast<double>(rows * clusters), {y, dy, slopes},
               [=, form = form_named(form_), bandwidth = bandwidth_](const runtime::Team& team,
                                                                     const Context<T>& context) {
                 const T factor = exponent_factor(bandwidth->data()[0]);
                 const T *distances = context.at(y), *upstream = context.at(dy);
                 T* slope = context.at(slopes);
                 const runtime::Range mine = team.share(rows * clusters, 64);
                 for (Index i = mine.begin; i < mine.end; ++i) {
                   if (form == Form::exponent) {
                     slope[i] = upstream[i] * factor;
                   } else if (form == Form::distance && distances[i] > T{0}) {
                     slope[i] = upstream[i] / (T{2} * distances[i]);
                   } else {
                     slope[i] = T{0};
                   }
                 }
               });
  if (builder.node(group.head).trainable) centers_gradient(builder, x, slopes, rows);
  if (builder.wants_gradient(source)) input_gradient(builder, source, x, slopes);
}

}  // namespace

UNITGAIN_NODE_KIND(cluster_distance, ClusterDistance);

}  // namespace nn

template <class T>
NodeId Graph<T>::cluster_distance(NodeId x, ParameterPtr<T> centers, ParameterPtr<T> bandwidth,
                                  const std::string& form, bool trainable) {
  return append(
      std::make_shared<nn::ClusterDistance<T>>(std::move(centers), std::move(bandwidth), form), {x},
      trainable);
}
template NodeId Graph<float>::cluster_distance(NodeId, ParameterPtr<float>, ParameterPtr<float>,
                                               const std::string&, bool);
template NodeId Graph<double>::cluster_distance(NodeId, ParameterPtr<double>, ParameterPtr<double>,
                                                const std::string&, bool);

}  // namespace unitgain
