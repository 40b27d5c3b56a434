// Programs of traced functions in a plan: as nodes, losses and metrics.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "nn/plan_builder.hpp"
#include "ops/expression.hpp"
#include "runtime/workspace.hpp"
#include "simd/kernels/loss.hpp"
#include "unitgain/loss.hpp"
#include "unitgain/metric.hpp"

namespace unitgain::nn {

using ProgramPtr = std::shared_ptr<const ops::ExpressionProgram>;

// Adds the step that runs a program: its inputs are buffers, arrays of the caller's, and buffers
// again.
template <class T>
void run_expression(PlanBuilder<T>& builder, const char* name, const ProgramPtr& program,
                    const std::vector<BufferId>& first, const std::vector<const T*>& arrays,
                    const std::vector<BufferId>& to, const std::vector<BufferId>& last) {
  const auto expression =
      std::make_shared<const ops::Expression<T>>(*program, builder.batch(), builder.precision());
  const BufferId workspace = builder.workspace(expression->workspace(builder.threads()));
  std::vector<BufferId> uses{workspace};
  for (const auto* buffers : {&first, &to, &last}) {
    uses.insert(uses.end(), buffers->begin(), buffers->end());
  }
  // The pointers' room is the plan's: a step allocates nothing. Each thread fills it by itself.
  const std::size_t inputs = first.size() + arrays.size() + last.size();
  const Index bytes = runtime::thread_bytes(static_cast<Index>((inputs + to.size()) * sizeof(T*)));
  const BufferId pointers = builder.template buffer<std::byte>(bytes * builder.threads());
  uses.push_back(pointers);
  builder.step(name, expression->work(), uses,
               [=](const runtime::Team& team, const Context<T>& context) {
                 std::byte* own = context.template at<std::byte>(pointers) + team.rank() * bytes;
                 const T** from = reinterpret_cast<const T**>(own);
                 T** out = reinterpret_cast<T**>(own) + inputs;
                 std::size_t i = 0;
                 for (const BufferId id : first) from[i++] = context.at(id);
                 for (const T* array : arrays) from[i++] = array;
                 for (const BufferId id : last) from[i++] = context.at(id);
                 for (std::size_t k = 0; k < to.size(); ++k) out[k] = context.at(to[k]);
                 expression->run(team, from, out, context.template at<std::byte>(workspace));
               });
}

// A loss as programs of targets, or labels, outputs and the rows' weights: each row's loss without
// weights; the same and the gradient of the weighted sum.
class ExpressionLoss final : public CustomLoss {
 public:
  ExpressionLoss(ProgramPtr value, ProgramPtr value_and_gradient)
      : value_(std::move(value)), value_and_gradient_(std::move(value_and_gradient)) {}

  bool joins_rows() const override { return true; }
  // For who has no plan: one thread computes it.
  void compute(const OutputBatch& batch, double* row_losses, void* gradient) override;

  const ProgramPtr& program(bool with_gradient) const {
    return with_gradient ? value_and_gradient_ : value_;
  }

 private:
  ProgramPtr value_, value_and_gradient_;
};

// The part of a loss's step that such a loss is, for one batch size.
template <class T>
class ExpressionLossStep {
 public:
  // Appends the buffers that it uses.
  ExpressionLossStep(PlanBuilder<T>& builder, const ExpressionLoss& loss, Index rows,
                     bool with_gradient, std::vector<BufferId>& uses);

  // Writes the losses and the scaled gradient of rows; weights may be null.
  void run(const runtime::Team& team, const Context<T>& context, const simd::LossRows<T>& rows,
           const double* weights) const;
  double work() const { return expression_->work(); }

 private:
  std::shared_ptr<const ops::Expression<T>> expression_;
  BufferId workspace_, losses_, labels_, upstream_ = no_buffer;
};

// A metric as a program of targets, or labels, and outputs: the values that its mean is of.
class ExpressionMetric final : public CustomMetric {
 public:
  explicit ExpressionMetric(ProgramPtr program) : program_(std::move(program)) {}
  void reset() override {}
  void update(const OutputBatch& batch, double* sums) override;

 private:
  template <class T>
  struct Bound {
    std::shared_ptr<const ops::Expression<T>> expression;
    Index samples = 0;
    Precision precision = Precision::highest;
  };
  template <class T>
  std::shared_ptr<const ops::Expression<T>> bound(Bound<T>& known, Index samples);
  template <class T>
  void add(const OutputBatch& batch, Bound<T>& known, double* sums);

  ProgramPtr program_;
  std::mutex mutex_;
  Bound<float> floats_;  // the last batch's
  Bound<double> doubles_;
};

}  // namespace unitgain::nn
