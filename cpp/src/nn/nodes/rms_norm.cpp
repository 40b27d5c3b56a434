// Rows over their root mean square: y = scale n with n = x / r, r = sqrt(mean(x^2) + epsilon). With
// g = scale dy the gradients are (g - n mean(g n)) / r, and the sum of dy n over the rows.
#include <algorithm>
#include <cmath>

#include "nn/node.hpp"
#include "nn/normalization.hpp"
#include "ops/layer_norm.hpp"
#include "ops/norm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class RmsNorm final : public Kind<RmsNorm<T>, T> {
 public:
  static constexpr const char* kind_name = "rms_norm";

  RmsNorm() = default;
  explicit RmsNorm(const RmsNormNode<T>& norm) : norm_(norm) {}

  Content<T> content() override {
    return {{{"scale", &norm_.scale, true}}, {{"epsilon", &norm_.epsilon}}};
  }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    check_vector(norm_.scale, "scale", inputs[0].cols, true);
    return inputs[0];
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  RmsNormNode<T> norm_{};
};

// to = from factor, times the scale if there is one.
template <class T>
void scale_row(const T* from, T factor, const T* scale, T* to, Index n) {
  if (scale != nullptr) {
    runtime::kernels<T>().vector->multiply(from, scale, to, n);
  } else {
    std::copy_n(from, n, to);
  }
  runtime::kernels<T>().vector->scale(factor, to, n);
}

template <class T>
void RmsNorm<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  const BufferId inverses = builder.statistics(group.head, 0, rows);
  builder.step(
      "rms norm", 0.4 * static_cast<double>(rows * cols), {x, y, inverses},
      [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
        const runtime::Range part = team.share(rows);
        for (Index i = part.begin; i < part.end; ++i) {
          const T* from = context.at(x) + i * cols;
          const double length = ops::block_norm(from, cols) / std::sqrt(static_cast<double>(cols));
          const T inverse = static_cast<T>(1 / std::hypot(length, std::sqrt(norm.epsilon)));
          context.at(inverses)[i] = inverse;
          scale_row(from, inverse, data_or_null(norm.scale), context.at(y) + i * cols, cols);
        }
      });
}

template <class T>
void RmsNorm<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(source), dy = builder.gradient(group.result);
  const BufferId inverses = builder.statistics(group.head, 0, rows);
  if (builder.wants_gradient(source)) {
    const BufferId dx = builder.begin_gradient(source);
    builder.step("rms norm gradient", 0.5 * static_cast<double>(rows * cols), {x, dy, inverses, dx},
                 [=, norm = norm_](const runtime::Team& team, const Context<T>& context) {
                   const auto& vector = *runtime::kernels<T>().vector;
                   const runtime::Range part = team.share(rows);
                   for (Index i = part.begin; i < part.end; ++i) {
                     const T inverse = context.at(inverses)[i];
                     const T* from = context.at(x) + i * cols;
                     T* const to = context.at(dx) + i * cols;
                     scale_row(context.at(dy) + i * cols, inverse, data_or_null(norm.scale), to,
                               cols);
                     const T along = vector.dot(from, to, cols) / static_cast<T>(cols);
                     vector.axpy(-along * inverse * inverse, from, to, cols);
                   }
                 });
    builder.finish_gradient(source, dx);
  }
  const auto target = builder.begin_parameter(norm_.scale);
  if (target.gradient == nullptr) return;
  const BufferId zeros = builder.buffer(rows), sums = builder.buffer(cols);
  const BufferId scratch = builder.buffer(ops::layer_norm_scratch(rows, cols));
  builder.step("rms norm gradient", 0.4 * static_cast<double>(rows * cols),
               {x, dy, inverses, zeros, sums, scratch},
               [=](const runtime::Team& team, const Context<T>& context) {
                 // Every thread reads all of the zeros.
                 if (team.rank() == 0) std::fill_n(context.at(zeros), rows, T{0});
                 team.barrier();
                 ops::layer_norm_gradient<T>(
                     team, context.at(x), context.at(dy), rows, cols, nullptr,
                     {context.at(zeros), context.at(zeros), context.at(inverses)},
                     {nullptr, context.at(sums), nullptr}, context.at(scratch));
                 store_gradient<T>(team, target, context.at(sums), cols);
               });
}

}  // namespace

UNITGAIN_NODE_KIND(rms_norm, RmsNorm);

}  // namespace nn

template <class T>
NodeId Graph<T>::rms_norm(NodeId x, const RmsNormNode<T>& parameters, bool trainable) {
  return append(std::make_shared<nn::RmsNorm<T>>(parameters), {x}, trainable);
}
template NodeId Graph<float>::rms_norm(NodeId, const RmsNormNode<float>&, bool);
template NodeId Graph<double>::rms_norm(NodeId, const RmsNormNode<double>&, bool);

}  // namespace unitgain
