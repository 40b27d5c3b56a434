// Embedding: rows of a table, by the numbers that come in. The gradient is added up by rows.
#include "ops/embedding.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/shape_text.hpp"
#include "nn/lowering.hpp"
#include "nn/node.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

// So many rows at most: their numbers have to be values of T exactly, and int32.
template <class T>
constexpr Index most_rows = std::min<Index>(Index{1} << std::numeric_limits<T>::digits,
                                            std::numeric_limits<std::int32_t>::max());

template <class T>
class Embedding final : public Kind<Embedding<T>, T> {
 public:
  static constexpr const char* kind_name = "embedding";

  Embedding() = default;
  explicit Embedding(ParameterPtr<T> table) : table_(std::move(table)) {}

  Content<T> content() override { return {{{"embeddings", &table_, true}}, {}}; }
  SampleShape bind(std::span<const SampleShape> inputs) override {
    if (table_ == nullptr) throw ValueError("embeddings is missing");
    const auto& shape = table_->shape();
    if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1) {
      throw ValueError("embeddings has shape " + base::shape_text(shape) +
                       ", expected (input_dim, output_dim)");
    }
    if (shape[0] > most_rows<T>) {
      throw ValueError("embeddings has " + std::to_string(shape[0]) + " rows, but a network of " +
                       (sizeof(T) == sizeof(float) ? "float32" : "float64") +
                       " tells no more than " + std::to_string(most_rows<T>) + " apart");
    }
    return {inputs[0].size(), shape[1]};
  }

  Role role() const override { return Role::lookup; }
  bool takes_rows_apart() const override { return true; }

  void forward(PlanBuilder<T>& builder, const Group<T>& group) const override;
  void backward(PlanBuilder<T>& builder, const Group<T>& group) const override;

 private:
  ParameterPtr<T> table_;
};

// The table's row of each number, as int32, which the forward pass leaves to the backward pass.
template <class T>
BufferId row_numbers(PlanBuilder<T>& builder, const Group<T>& group) {
  static_assert(sizeof(T) >= sizeof(std::int32_t));
  return builder.statistics(group.head, 0, builder.rows(group.head));
}

template <class T>
std::string number_text(T value) {
  char digits[32];
  return std::string(digits, std::to_chars(std::begin(digits), std::end(digits), value).ptr);
}

// "embedding is given 12 in row 3": the layer is what the table's name begins with.
template <class T>
std::string refusal(const Parameter<T>& table, T value, Index row) {
  const std::string& name = table.name();
  return name.substr(0, name.rfind('/')) + " is given " + number_text(value) + " in row " +
         std::to_string(row) + ", expected whole numbers from 0 to " +
         std::to_string(table.shape()[0] - 1) + ", as its input_dim is " +
         std::to_string(table.shape()[0]);
}

// Throws for the first number that no thread could find a row for.
template <class T>
void check(const runtime::Team& team, const Context<T>& context, const Index* wrong, const View& x,
           Index batch, const Parameter<T>& table) {
  Index first = -1;
  for (int i = 0; i < team.size() && first < 0; ++i) first = wrong[i];
  if (first < 0) return;
  const Index sample = context.first + first / (x.rows * x.cols / batch);
  const Samples& samples = *context.samples;
  const T value =
      *(context.at(x.buffer) + x.offset + first / x.cols * x.row_stride + first % x.cols);
  throw ValueError(
      refusal(table, value, samples.order != nullptr ? samples.order[sample] : sample));
}

template <class T>
void Embedding<T>::forward(PlanBuilder<T>& builder, const Group<T>& group) const {
  const Node<T>& node = builder.node(group.head);
  const View x = builder.matrix(group.inputs[0], builder.node(node.inputs[0]).shape.cols);
  const View y = builder.matrix(group.result, node.shape.cols);
  const BufferId rows = row_numbers(builder, group);
  const BufferId wrong = builder.template buffer<Index>(builder.threads());  // one a thread
  const Index batch = builder.batch();
  builder.may_fail();
  builder.step("embedding", 0.3 * static_cast<double>(y.rows * y.cols),
               {x.buffer, y.buffer, rows, wrong},
               [=, table = table_](const runtime::Team& team, const Context<T>& context) {
                 context.template at<Index>(wrong)[team.rank()] =
                     ops::embed<T>(team, read_at(context, x), table->data(), table->shape()[0],
                                   context.template at<std::int32_t>(rows), at(context, y));
               });
  builder.step("embedding check", 0, {x.buffer, wrong},
               [=, table = table_](const runtime::Team& team, const Context<T>& context) {
                 call_program(team, context, [&] {
                   check<T>(team, context, context.template at<Index>(wrong), x, batch, *table);
                 });
               });
}

template <class T>
void Embedding<T>::backward(PlanBuilder<T>& builder, const Group<T>& group) const {
  zero_gradient(builder, group.inputs[0]);  // the numbers' own
  if (!builder.node(group.head).trainable) return;
  const auto target = builder.begin_parameter(table_);
  if (target.gradient == nullptr) return;
  const View dy = builder.gradient_matrix(group.result, builder.node(group.head).shape.cols);
  const BufferId rows = row_numbers(builder, group);
  const double work =
      static_cast<double>(dy.rows * dy.cols) + 0.1 * static_cast<double>(table_->size());
  builder.step(
      "embedding gradient", 0.3 * work, {dy.buffer, rows},
      [=, table_rows = table_->shape()[0]](const runtime::Team& team, const Context<T>& context) {
        ops::embed_gradient<T>(team, context.template at<std::int32_t>(rows), read_at(context, dy),
                               target.gradient, table_rows, target.accumulate);
      });
}

}  // namespace

UNITGAIN_NODE_KIND(embedding, Embedding);

}  // namespace nn

template <class T>
NodeId Graph<T>::embedding(NodeId x, ParameterPtr<T> embeddings, bool trainable) {
  return append(std::make_shared<nn::Embedding<T>>(std::move(embeddings)), {x}, trainable);
}
template NodeId Graph<float>::embedding(NodeId, ParameterPtr<float>, bool);
template NodeId Graph<double>::embedding(NodeId, ParameterPtr<double>, bool);

}  // namespace unitgain
