// Rows of Euclidean norm 1: y = x / d with d = max(|x|, epsilon). The gradient is (g - y (y . g)) /
// d, and g / d where the norm is not above epsilon.
#include <algorithm>
#include <cmath>

#include "nn/node.hpp"
#include "nn/plan_builder.hpp"
#include "ops/norm.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class UnitNorm final : public Kind<UnitNorm<T>, T> {
 public:
  static constexpr const char* kind_name = "unit_norm";

  UnitNorm() = default;
  explicit UnitNorm(double epsilon) : epsilon_(epsilon) {}

  Content<T> content() override { return {{}, {{"epsilon", &epsilon_}}}; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    // As T it must not be 0, by which rows of zeros would be divided.
    if (!(static_cast<T>(epsilon_) > 0)) {
      throw ValueError("epsilon must be above 0, but it is " + std::to_string(epsilon_));
    }
    return inputs[0];
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  double epsilon_ = 0;
};

template <class T>
double row_norm(const T* x, Index n) {
  const double norm = ops::block_norm(x, n);
  return ops::combined_norm(&norm, 1);
}

// y = x / divisor. Where the divisor is so small that its inverse is not a number of T, by way of
// double.
template <class T>
void divide(const T* x, double divisor, T* y, Index n) {
  const T inverse = static_cast<T>(1 / divisor);
  if (std::isfinite(inverse) && std::isnormal(inverse)) {
    std::copy_n(x, n, y);
    runtime::kernels<T>().vector->scale(inverse, y, n);
    return;
  }
  for (Index j = 0; j < n; ++j) y[j] = static_cast<T>(static_cast<double>(x[j]) / divisor);
}

template <class T>
void UnitNorm<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  const BufferId divisors = builder.statistics(group.head, 0, rows);
  builder.step("unit norm", 0.5 * static_cast<double>(rows * cols), {x, y, divisors},
               [=, epsilon = static_cast<T>(epsilon_)](const runtime::Team& team,
                                                       const Context<T>& context) {
                 const runtime::Range part = team.share(rows);
                 for (Index i = part.begin; i < part.end; ++i) {
                   const T* from = context.at(x) + i * cols;
                   const double norm = row_norm(from, cols);
                   const double divisor = norm > epsilon || norm != norm ? norm : epsilon;
                   context.at(divisors)[i] = static_cast<T>(divisor);
                   divide(from, divisor, context.at(y) + i * cols, cols);
                 }
               });
}

template <class T>
void UnitNorm<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  if (!builder.wants_gradient(source)) return;
  const Index rows = builder.rows(group.head), cols = builder.node(group.head).shape.cols;
  const BufferId y = builder.value(group.result), dy = builder.gradient(group.result);
  const BufferId divisors = builder.statistics(group.head, 0, rows);
  const BufferId dx = builder.begin_gradient(source);
  builder.step("unit norm gradient", 0.5 * static_cast<double>(rows * cols), {y, dy, divisors, dx},
               [=, epsilon = static_cast<T>(epsilon_)](const runtime::Team& team,
                                                       const Context<T>& context) {
                 const auto& vector = *runtime::kernels<T>().vector;
                 const runtime::Range part = team.share(rows);
                 for (Index i = part.begin; i < part.end; ++i) {
                   const T *out = context.at(y) + i * cols, *up = context.at(dy) + i * cols;
                   T* const to = context.at(dx) + i * cols;
                   const T divisor = context.at(divisors)[i];
                   std::copy_n(up, cols, to);
                   if (divisor > epsilon) vector.axpy(-vector.dot(out, up, cols), out, to, cols);
                   divide(to, static_cast<double>(divisor), to, cols);
                 }
               });
  builder.finish_gradient(source, dx);
}

}  // namespace

UNITGAIN_NODE_KIND(unit_norm, UnitNorm);

}  // namespace nn

template <class T>
NodeId Graph<T>::unit_norm(NodeId x, double epsilon) {
  return append(std::make_shared<nn::UnitNorm<T>>(epsilon), {x});
}
template NodeId Graph<float>::unit_norm(NodeId, double);
template NodeId Graph<double>::unit_norm(NodeId, double);

}  // namespace unitgain
