// Collects the steps of a plan and the buffers that they use, and places the buffers in one arena.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "nn/fusion.hpp"
#include "nn/plan.hpp"

namespace unitgain::nn {

template <class T>
class PlanBuilder {
 public:
  PlanBuilder(const Graph<T>& graph, Fusion<T> fusion, Index batch, Mode mode,
              const ParameterGradients<T>& gradients, int threads, Precision precision);

  Index batch() const { return batch_; }
  Mode mode() const { return mode_; }
  int threads() const { return threads_; }
  Precision precision() const { return precision_; }
  const Fusion<T>& fusion() const { return fusion_; }
  const Node<T>& node(NodeId id) const { return graph_.node(id); }

  // Rows and values of a node's output over the whole batch.
  Index rows(NodeId id) const { return batch_ * node(id).shape.rows; }
  Index values(NodeId id) const { return batch_ * node(id).shape.size(); }

  // A buffer of n elements of U, alive from the first step that uses it to the last.
  template <class U = T>
  BufferId buffer(Index n) {
    return buffer_bytes(n * static_cast<Index>(sizeof(U)));
  }
  // The buffer of a value, made at the first call.
  BufferId value(NodeId id);
  // What an activation's derivative is evaluated at: the group's value, or what it was computed
  // from.
  BufferId saved(const Group<T>& group);
  // The bits of the mask of a group's dropout.
  BufferId dropout_mask(const Group<T>& group);
  BufferId gradient(NodeId id);
  // What a node's forward pass leaves to its backward pass: its `which`-th buffer, of n elements.
  BufferId statistics(NodeId id, int which, Index n);
  // Scratch memory of at least this many bytes, the same for every step that asks: such steps need
  // a barrier between them.
  BufferId workspace(Index bytes);

  bool wants_gradient(NodeId value) const {
    return fusion_.has_gradient[static_cast<std::size_t>(value)];
  }
  // Where a step adds its part of a value's gradient: the first to come writes the gradient's own
  // buffer; the others write a buffer that `finish_gradient` adds to it.
  BufferId begin_gradient(NodeId value);
  void finish_gradient(NodeId value, BufferId part);
  // Whether the gradient that has come in for a group's value was already multiplied by the
  // derivative of the group's activation.
  bool& derivative_applied(NodeId value) {
    return derivative_applied_[static_cast<std::size_t>(value)];
  }
  // The group that computes a value, if the value has one reader: then the derivative of its
  // activation, and the sums that are its bias's gradient, can ride on the product that makes the
  // value's gradient.
  const Group<T>* only_read_by_one(NodeId value) const;

  // Whether the sums that are the gradient of a group's bias were taken with the gradient.
  bool& bias_summed(NodeId value) { return bias_summed_[static_cast<std::size_t>(value)]; }

  // The gradient of a parameter: null if it is not trained. The second of two users of a parameter
  // must add: `begin_parameter` says which this is.
  struct ParameterTarget {
    T* gradient;
    bool accumulate;
  };
  ParameterTarget begin_parameter(const ParameterPtr<T>& parameter);

  // `work` is in nanoseconds on one thread; `uses` are the buffers that the step reads or writes.
  void step(std::string name, double work, std::vector<BufferId> uses, StepFunction<T> run,
            bool barrier = true);

  // Keeps a buffer's content to the end of the run, for the caller to read.
  void keep(BufferId id);

  Plan<T> finish(BufferId input, BufferId output);

 private:
  struct Buffer {
    Index bytes;
    int first = -1, last = -1;  // steps
  };
  BufferId buffer_bytes(Index bytes);
  std::vector<Index> place(Index* arena_bytes) const;

  const Graph<T>& graph_;
  Fusion<T> fusion_;
  Index batch_;
  Mode mode_;
  const ParameterGradients<T>& gradients_;
  int threads_;
  Precision precision_;
  double work_ = 0;

  std::vector<Step<T>> steps_;
  std::vector<Buffer> buffers_;
  std::vector<BufferId> values_, saved_, gradient_buffers_;
  std::map<std::pair<NodeId, int>, BufferId> statistics_;
  std::vector<bool> gradient_written_;
  std::unique_ptr<bool[]> derivative_applied_, bias_summed_;
  std::vector<const Parameter<T>*> parameters_written_;
  BufferId workspace_ = no_buffer;
};

// ---- one file an operation: what its forward and backward passes add to the plan ----

template <class T>
void lower_forward(PlanBuilder<T>& builder, const Group<T>& group);
template <class T>
void lower_backward(PlanBuilder<T>& builder, const Group<T>& group);

template <class T>
void dense_forward(PlanBuilder<T>& builder, const Group<T>& group, const DenseNode<T>& dense);
template <class T>
void dense_backward(PlanBuilder<T>& builder, const Group<T>& group, const DenseNode<T>& dense);
template <class T>
void batch_norm_forward(PlanBuilder<T>& builder, const Group<T>& group,
                        const BatchNormNode<T>& norm);
template <class T>
void batch_norm_backward(PlanBuilder<T>& builder, const Group<T>& group,
                         const BatchNormNode<T>& norm);
template <class T>
void layer_norm_forward(PlanBuilder<T>& builder, const Group<T>& group,
                        const LayerNormNode<T>& norm);
template <class T>
void layer_norm_backward(PlanBuilder<T>& builder, const Group<T>& group,
                         const LayerNormNode<T>& norm);

template <class T>
void prelu_forward(PlanBuilder<T>& builder, const Group<T>& group, const PReluNode<T>& prelu);
template <class T>
void prelu_backward(PlanBuilder<T>& builder, const Group<T>& group, const PReluNode<T>& prelu);

// The steps that read a batch, and those that compare the output with what it should be; the
// backward pass starts from the latter.
template <class T>
void read_batch(PlanBuilder<T>& builder, BufferId input, Index cols);
template <class T>
LossBuffers compute_loss(PlanBuilder<T>& builder, NodeId output, const LossSpec& loss,
                         const MetricSpec& metrics);

}  // namespace unitgain::nn
