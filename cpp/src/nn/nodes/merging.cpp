// Sum, product, maximum and minimum of the inputs, value by value; the activation behind a sum or a
// product is in the same step.
#include <algorithm>

#include "base/shape_text.hpp"
#include "nn/node.hpp"
#include "nn/plan_builder.hpp"
#include "ops/activation.hpp"
#include "ops/grain.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

// Of two arrays, as those of simd::VectorKernels.
template <class T>
using Merge = void (*)(const T* x, const T* y, T* merged, Index n);

// Values that are merged, and activated, while they are in the first cache.
constexpr Index chunk = 2048;

// Calls body(first, count) for the chunks of this thread's part of n values.
template <class Body>
void for_each_chunk(const runtime::Team& team, Index n, Body&& body) {
  const runtime::Range part = team.share(n, ops::element_grain);
  for (Index first = part.begin; first < part.end; first += chunk) {
    body(first, std::min(chunk, part.end - first));
  }
}

// The inputs but for `skipped`, merged.
template <class T>
void merge_chunk(const Context<T>& context, Merge<T> merge, const std::vector<BufferId>& inputs,
                 Index first, Index n, T* merged,
                 std::size_t skipped = static_cast<std::size_t>(-1)) {
  const T* so_far = nullptr;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (i == skipped) continue;
    const T* next = context.at(inputs[i]) + first;
    if (so_far != nullptr) {
      merge(so_far, next, merged, n);
      so_far = merged;
    } else {
      so_far = next;
    }
  }
  if (so_far != merged) std::copy_n(so_far, n, merged);
}

template <class Derived, class T>
class Merging : public Kind<Derived, T> {
 public:
  Arity arity() const override { return Arity::several; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    const SampleShape first = inputs[0];
    for (const SampleShape shape : inputs) {
      if (shape.rows == first.rows && shape.cols == first.cols) continue;
      throw ValueError(std::string("the inputs of a ") + Derived::what +
                       " have samples of shapes " + base::shape_text({first.rows, first.cols}) +
                       " and " + base::shape_text({shape.rows, shape.cols}));
    }
    return first;
  }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    const std::vector<BufferId> inputs = buffers_of(builder, group);
    const BufferId y = builder.value(group.result);
    const bool keep_input =
        differentiates(builder.mode()) && activation_info(group.activation.kind).saves_input;
    const BufferId z = keep_input ? builder.saved(group).buffer : y;
    std::vector<BufferId> uses = inputs;
    uses.insert(uses.end(), {y, z});
    const Index n = builder.values(group.result);
    builder.step(
        this->kind(), 0.2 * static_cast<double>(n) * static_cast<double>(inputs.size()),
        std::move(uses),
        [=, activation = group.activation](const runtime::Team& team, const Context<T>& context) {
          for_each_chunk(team, n, [&](Index first, Index count) {
            merge_chunk(context, Derived::merge(), inputs, first, count, context.at(z) + first);
            if (activation.kind == Activation::linear) return;
            ops::activation<T>(runtime::Team(), activation, context.at(z) + first,
                               context.at(y) + first, count);
          });
        });
  }

 protected:
  static std::vector<BufferId> buffers_of(PlanBuilder<T>& builder, const Group<T>& group) {
    std::vector<BufferId> found;
    for (const NodeId source : group.inputs) found.push_back(builder.value(source));
    return found;
  }
};

template <class T>
class Add final : public Merging<Add<T>, T> {
 public:
  static constexpr const char *kind_name = "add", *what = "sum";
  static Merge<T> merge() { return runtime::kernels<T>().vector->add; }

  bool takes(const Epilogue<T>& epilogue) const override {
    return std::holds_alternative<ActivationSpec>(epilogue);
  }
  // Every input's gradient is the sum's, which nobody copies.
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    const Index cols = builder.node(group.result).shape.cols;
    const View dy = builder.gradient_matrix(group.result, cols);
    for (const NodeId source : group.inputs) {
      if (builder.wants_gradient(source)) builder.add_gradient(source, dy, false);
    }
  }
};

template <class T>
class Multiply final : public Merging<Multiply<T>, T> {
 public:
  static constexpr const char *kind_name = "multiply", *what = "product";
  static Merge<T> merge() { return runtime::kernels<T>().vector->multiply; }

  bool takes(const Epilogue<T>& epilogue) const override {
    return std::holds_alternative<ActivationSpec>(epilogue);
  }
  // An input's gradient is the product's, times the others.
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    const std::vector<BufferId> inputs = this->buffers_of(builder, group);
    const BufferId dy = builder.gradient(group.result);
    const Index n = builder.values(group.result);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!builder.wants_gradient(group.inputs[i])) continue;
      const BufferId dx = builder.begin_gradient(group.inputs[i]);
      std::vector<BufferId> factors = inputs, uses = inputs;
      factors.push_back(dy);
      uses.insert(uses.end(), {dy, dx});
      builder.step(
          "multiply gradient", 0.2 * static_cast<double>(n) * static_cast<double>(inputs.size()),
          std::move(uses), [=](const runtime::Team& team, const Context<T>& context) {
            for_each_chunk(team, n, [&](Index first, Index count) {
              merge_chunk(context, merge(), factors, first, count, context.at(dx) + first, i);
            });
          });
      builder.finish_gradient(group.inputs[i], dx);
    }
  }
};

// The inputs that are the extreme share its gradient evenly.
template <class Derived, class T>
class Extreme : public Merging<Derived, T> {
 public:
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override {
    const std::vector<BufferId> inputs = this->buffers_of(builder, group);
    const BufferId y = builder.value(group.result), dy = builder.gradient(group.result);
    const Index n = builder.values(group.result);
    const double work = 0.2 * static_cast<double>(n);
    const BufferId counts = builder.buffer(n);
    std::vector<BufferId> uses = inputs;
    uses.insert(uses.end(), {y, counts});
    builder.step("extremes", work * static_cast<double>(inputs.size()), std::move(uses),
                 [=](const runtime::Team& team, const Context<T>& context) {
                   for_each_chunk(team, n, [&](Index first, Index count) {
                     T* const to = context.at(counts) + first;
                     std::fill_n(to, count, T{0});
                     for (const BufferId x : inputs) {
                       runtime::kernels<T>().vector->count_equal(context.at(x) + first,
                                                                 context.at(y) + first, to, count);
                     }
                   });
                 });
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!builder.wants_gradient(group.inputs[i])) continue;
      const BufferId x = inputs[i], dx = builder.begin_gradient(group.inputs[i]);
      builder.step("extreme gradient", work, {x, y, counts, dy, dx},
                   [=](const runtime::Team& team, const Context<T>& context) {
                     for_each_chunk(team, n, [&](Index first, Index count) {
                       runtime::kernels<T>().vector->share_equal(
                           context.at(x) + first, context.at(y) + first, context.at(counts) + first,
                           context.at(dy) + first, context.at(dx) + first, count);
                     });
                   });
      builder.finish_gradient(group.inputs[i], dx);
    }
  }
};

template <class T>
class Maximum final : public Extreme<Maximum<T>, T> {
 public:
  static constexpr const char *kind_name = "maximum", *what = "maximum";
  static Merge<T> merge() { return runtime::kernels<T>().vector->maximum; }
};

template <class T>
class Minimum final : public Extreme<Minimum<T>, T> {
 public:
  static constexpr const char *kind_name = "minimum", *what = "minimum";
  static Merge<T> merge() { return runtime::kernels<T>().vector->minimum; }
};

}  // namespace

UNITGAIN_NODE_KIND(add, Add);
UNITGAIN_NODE_KIND(maximum, Maximum);
UNITGAIN_NODE_KIND(minimum, Minimum);
UNITGAIN_NODE_KIND(multiply, Multiply);

}  // namespace nn

#define UNITGAIN_MERGING(method, Class)                             \
  template <class T>                                                \
  NodeId Graph<T>::method(const std::vector<NodeId>& inputs) {      \
    return append(std::make_shared<nn::Class<T>>(), inputs);        \
  }                                                                 \
  template NodeId Graph<float>::method(const std::vector<NodeId>&); \
  template NodeId Graph<double>::method(const std::vector<NodeId>&)
UNITGAIN_MERGING(add, Add);
UNITGAIN_MERGING(maximum, Maximum);
UNITGAIN_MERGING(minimum, Minimum);
UNITGAIN_MERGING(multiply, Multiply);
#undef UNITGAIN_MERGING

}  // namespace unitgain
