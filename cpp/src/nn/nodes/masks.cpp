// Masks, 1 where a value counts and 0 where it does not: made of the values that are set for those
// that do not, and put to use. They have no gradient.
#include <algorithm>

#include "base/shape_text.hpp"
#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "nn/plan_builder.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

template <class T>
class Differs final : public Kind<Differs<T>, T> {
 public:
  static constexpr const char* kind_name = "differs";

  Differs() = default;
  explicit Differs(double value) : value_(value) {}

  Content<T> content() override { return {{}, {{"value", &value_}}}; }
  SampleShape bind(std::span<const SampleShape> inputs) override { return {inputs[0].rows, 1}; }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    const NodeId source = group.inputs[0];
    const BufferId x = builder.value(source), y = builder.value(group.result);
    const Index rows = builder.rows(group.head);
    const Index cols = builder.node(builder.node(group.head).inputs[0]).shape.cols;
    builder.step(
        "differs", 0.3 * static_cast<double>(rows * cols), {x, y},
        [=, value = static_cast<T>(value_)](const runtime::Team& team, const Context<T>& context) {
          const runtime::Range part = team.share(rows);
          for (Index i = part.begin; i < part.end; ++i) {
            const T* row = context.at(x) + i * cols;
            const bool same = std::all_of(row, row + cols, [&](T v) { return v == value; });
            context.at(y)[i] = same ? T{0} : T{1};
          }
        });
  }
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    zero_gradient(builder, group.inputs[0]);
  }

 private:
  double value_ = 0;
};

template <class T>
class KeepWhere final : public Kind<KeepWhere<T>, T> {
 public:
  static constexpr const char* kind_name = "keep_where";

  KeepWhere() = default;
  explicit KeepWhere(double fill) : fill_(fill) {}

  Content<T> content() override { return {{}, {{"fill", &fill_}}}; }
  Arity arity() const override { return Arity::several; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    if (inputs.size() != 2) throw ValueError("keep_where takes an input and a mask");
    const SampleShape shape = inputs[0], mask = inputs[1];
    if ((mask.rows != 1 && mask.rows != shape.rows) ||
        (mask.cols != 1 && mask.cols != shape.cols)) {
      throw ValueError("the mask has samples of shape " + base::shape_text({mask.rows, mask.cols}) +
                       ", expected " + base::shape_text({shape.rows, shape.cols}) +
                       ", or 1 for either size");
    }
    return shape;
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    select(builder, group, builder.value(group.inputs[0]), builder.value(group.result),
           static_cast<T>(fill_));
  }
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    zero_gradient(builder, group.inputs[1]);
    const NodeId source = group.inputs[0];
    if (!builder.wants_gradient(source)) return;
    const BufferId dx = builder.begin_gradient(source);
    select(builder, group, builder.gradient(group.result), dx, T{0});
    builder.finish_gradient(source, dx);
  }

 private:
  // to = from where the mask keeps it, else fill.
  void select(PlanBuilder<T>& builder, const Group<T>& group, BufferId from, BufferId to,
              T fill) const {
    const SampleShape shape = builder.node(group.head).shape;
    const SampleShape kept = builder.node(builder.node(group.head).inputs[1]).shape;
    const Index rows = builder.rows(group.head);
    const BufferId mask = builder.value(group.inputs[1]);
    builder.step("keep where", 0.4 * static_cast<double>(rows * shape.cols), {from, mask, to},
                 [=](const runtime::Team& team, const Context<T>& context) {
                   const runtime::Range part = team.share(rows);
                   for (Index i = part.begin; i < part.end; ++i) {
                     const Index sample = i / shape.rows, row = i % shape.rows;
                     const T* keep = context.at(mask) +
                                     (sample * kept.rows + (kept.rows == 1 ? 0 : row)) * kept.cols;
                     const T* x = context.at(from) + i * shape.cols;
                     T* y = context.at(to) + i * shape.cols;
                     const Index step = kept.cols == 1 ? 0 : 1;
                     for (Index j = 0; j < shape.cols; ++j) {
                       y[j] = keep[j * step] > T{0.5} ? x[j] : fill;
                     }
                   }
                 });
  }

  double fill_ = 0;
};

}  // namespace

UNITGAIN_NODE_KIND(differs, Differs);
UNITGAIN_NODE_KIND(keep_where, KeepWhere);

}  // namespace nn

template <class T>
NodeId Graph<T>::differs(NodeId x, double value) {
  return append(std::make_shared<nn::Differs<T>>(value), {x});
}
template NodeId Graph<float>::differs(NodeId, double);
template NodeId Graph<double>::differs(NodeId, double);

template <class T>
NodeId Graph<T>::keep_where(NodeId x, NodeId mask, double fill) {
  return append(std::make_shared<nn::KeepWhere<T>>(fill), {x, mask});
}
template NodeId Graph<float>::keep_where(NodeId, NodeId, double);
template NodeId Graph<double>::keep_where(NodeId, NodeId, double);

}  // namespace unitgain
