// PReLU, whose slopes are one for each value of a sample, or shared along its rows or columns.
#include "ops/prelu.hpp"

#include "base/shape_text.hpp"
#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class PRelu final : public Kind<PRelu<T>, T> {
 public:
  static constexpr const char* kind_name = "prelu";

  PRelu() = default;
  explicit PRelu(const PReluNode<T>& prelu) : prelu_(prelu) {}

  Content<T> content() override {
    return {{{"alpha", &prelu_.alpha, true}},
            {{"rows", &prelu_.alpha_shape.rows}, {"cols", &prelu_.alpha_shape.cols}}};
  }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    const SampleShape shape = inputs[0], alpha = prelu_.alpha_shape;
    if (prelu_.alpha == nullptr) throw ValueError("alpha is missing");
    const bool fits = (alpha.rows == 1 || alpha.rows == shape.rows) &&
                      (alpha.cols == 1 || alpha.cols == shape.cols);
    if (!fits || alpha.size() != prelu_.alpha->size()) {
      throw ValueError("alpha has shape " + base::shape_text(prelu_.alpha->shape()) +
                       ", but x has samples of shape " +
                       base::shape_text({shape.rows, shape.cols}));
    }
    return shape;
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  PReluNode<T> prelu_{};
};

// The slopes as the kernels take them: `period` of them, for `repeats` runs of values.
template <class T>
struct Layout {
  Index repeats;
  Index period;
  bool expanded;  // from fewer slopes than the period has
};

template <class T>
Layout<T> layout_of(const PlanBuilder<T>& builder, NodeId id, const PReluNode<T>& prelu) {
  const SampleShape shape = builder.node(id).shape;
  if (prelu.alpha_shape.cols == shape.cols && prelu.alpha_shape.rows == 1) {
    return {builder.rows(id), shape.cols, false};
  }
  return {builder.batch(), shape.size(), prelu.alpha_shape.size() != shape.size()};
}

// Where slope (i, j) of a whole sample comes from.
Index source_of(SampleShape alpha, Index i, Index j) {
  return (alpha.rows == 1 ? 0 : i) * alpha.cols + (alpha.cols == 1 ? 0 : j);
}

// Every thread of the team writes its share, and waits for the others'.
template <class T>
void expand(const runtime::Team& team, const T* alpha, SampleShape from, SampleShape to, T* all) {
  const runtime::Range rows = team.share(to.rows, 1);
  for (Index i = rows.begin; i < rows.end; ++i) {
    for (Index j = 0; j < to.cols; ++j) all[i * to.cols + j] = alpha[source_of(from, i, j)];
  }
  team.barrier();
}

// The sums of a whole sample's gradients over those that share a slope, added to what is there if
// `accumulate`. One thread does it: a sample is small.
template <class T>
void reduce(const runtime::Team& team, const T* all, SampleShape from, SampleShape to,
            bool accumulate, T* gradient) {
  team.barrier();
  if (team.rank() != 0) return;
  std::vector<double> sums(static_cast<std::size_t>(to.size()), 0.0);
  for (Index i = 0; i < from.rows; ++i) {
    for (Index j = 0; j < from.cols; ++j) {
      sums[static_cast<std::size_t>(source_of(to, i, j))] +=
          static_cast<double>(all[i * from.cols + j]);
    }
  }
  for (Index i = 0; i < to.size(); ++i) {
    const double before = accumulate ? static_cast<double>(gradient[i]) : 0.0;
    gradient[i] = static_cast<T>(before + sums[static_cast<std::size_t>(i)]);
  }
}

template <class T>
void PRelu<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const BufferId x = builder.value(group.inputs[0]), y = builder.value(group.result);
  const Layout<T> layout = layout_of(builder, group.head, prelu_);
  const SampleShape shape = builder.node(group.head).shape;
  const BufferId slopes = builder.buffer(layout.expanded ? layout.period : 0);
  builder.step("prelu", 0.2 * static_cast<double>(layout.repeats * layout.period), {x, y, slopes},
               [=, alpha_shape = prelu_.alpha_shape, alpha = prelu_.alpha](
                   const runtime::Team& team, const Context<T>& context) {
                 const T* values = alpha->data();
                 if (layout.expanded) {
                   expand(team, values, alpha_shape, shape, context.at(slopes));
                   values = context.at(slopes);
                 }
                 ops::prelu<T>(team, context.at(x), values, context.at(y), layout.repeats,
                               layout.period);
               });
}

template <class T>
void PRelu<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const NodeId source = group.inputs[0];
  const BufferId x = builder.value(source), dy = builder.gradient(group.result);
  const BufferId dx = builder.wants_gradient(source) ? builder.begin_gradient(source) : no_buffer;
  const bool trainable = builder.node(group.head).trainable;
  const auto target = trainable ? builder.begin_parameter(prelu_.alpha)
                                : typename PlanBuilder<T>::ParameterTarget{nullptr, false};
  const Layout<T> layout = layout_of(builder, group.head, prelu_);
  const SampleShape shape = builder.node(group.head).shape;
  // One run of slopes is one row of a "sample" for the reduction.
  const SampleShape run = layout.period == shape.size() ? shape : SampleShape{1, layout.period};
  const BufferId slopes = builder.buffer(layout.expanded ? layout.period : 0);
  const BufferId products = builder.buffer(layout.repeats * layout.period);
  const BufferId sums = builder.buffer(layout.period);
  std::vector<BufferId> uses{x, dy, slopes, products, sums};
  if (dx != no_buffer) uses.push_back(dx);
  builder.step(
      "prelu gradient", 0.5 * static_cast<double>(layout.repeats * layout.period), std::move(uses),
      [=, alpha_shape = prelu_.alpha_shape, alpha = prelu_.alpha](const runtime::Team& team,
                                                                  const Context<T>& context) {
        const T* values = alpha->data();
        if (layout.expanded) {
          expand(team, values, alpha_shape, run, context.at(slopes));
          values = context.at(slopes);
        }
        T* alpha_sums = target.gradient != nullptr ? context.at(sums) : nullptr;
        ops::prelu_gradient<T>(team, context.at(x), values, context.at(dy),
                               dx != no_buffer ? context.at(dx) : nullptr, context.at(products),
                               alpha_sums, layout.repeats, layout.period);
        if (alpha_sums != nullptr) {
          reduce(team, alpha_sums, run, alpha_shape, target.accumulate, target.gradient);
        }
      });
  if (dx != no_buffer) builder.finish_gradient(source, dx);
}

}  // namespace

UNITGAIN_NODE_KIND(prelu, PRelu);

}  // namespace nn

template <class T>
NodeId Graph<T>::prelu(NodeId x, const PReluNode<T>& parameters, bool trainable) {
  return append(std::make_shared<nn::PRelu<T>>(parameters), {x}, trainable);
}
template NodeId Graph<float>::prelu(NodeId, const PReluNode<float>&, bool);
template NodeId Graph<double>::prelu(NodeId, const PReluNode<double>&, bool);

}  // namespace unitgain
