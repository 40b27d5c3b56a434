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
  PlanBuilder(const PlanRequest<T>& request, Fusion<T> fusion);

  Index batch() const { return request_.batch; }
  Mode mode() const { return request_.mode; }
  int threads() const { return request_.threads; }
  Precision precision() const { return request_.precision; }
  const Fusion<T>& fusion() const { return fusion_; }
  const Node<T>& node(NodeId id) const { return request_.graph.node(id); }
  NodeId value_of(NodeId id) const { return fusion_.value_of[static_cast<std::size_t>(id)]; }

  // Rows and values of a node's output over the whole batch.
  Index rows(NodeId id) const { return batch() * node(id).shape.rows; }
  Index values(NodeId id) const { return batch() * node(id).shape.size(); }

  // A buffer of n elements of U, alive from the first step that uses it to the last.
  template <class U = T>
  BufferId buffer(Index n) {
    return buffer_bytes(n * static_cast<Index>(sizeof(U)));
  }
  // A contiguous matrix in a buffer of its own.
  View whole(BufferId buffer, Index rows, Index cols) const {
    return {buffer, 0, rows, cols, cols};
  }

  // The buffer of a value that has one, made at the first call; and where any value is, as a matrix
  // of that many columns.
  BufferId value(NodeId id);
  View matrix(NodeId id, Index cols);
  bool has_buffer(NodeId id) const {
    return fusion_.slots[static_cast<std::size_t>(id)].concatenation < 0;
  }
  // The argument of an activation's derivative: the group's value, or what it was computed
  // from.
  View saved(const Group<T>& group);
  // The bits of the mask of a group's dropout.
  BufferId dropout_mask(const Group<T>& group);
  // The `which`-th buffer, of n elements, that a node's forward pass leaves to its backward pass.
  BufferId statistics(NodeId id, int which, Index n);
  // Scratch memory of at least this many bytes, the same for every step that asks: such steps need
  // a barrier between them.
  BufferId workspace(Index bytes);

  bool wants_gradient(NodeId value) const {
    return fusion_.has_gradient[static_cast<std::size_t>(value)];
  }
  // Whether a part of it has come in.
  bool has_gradient(NodeId value) const {
    return gradients_[static_cast<std::size_t>(value)].view.buffer != no_buffer;
  }
  // Where a step writes its part of a value's gradient; `finish_gradient` adds it to what is there.
  BufferId begin_gradient(NodeId value) { return buffer(values(value)); }
  void finish_gradient(NodeId value, BufferId part) {
    add_gradient(value, whole_gradient(value, part), true);
  }
  // A part that lies somewhere already. `owned`: the caller and all others have done with it, so
  // that it may be written over.
  void add_gradient(NodeId value, const View& part, bool owned);
  // Whether a product may add its part to the gradient where that is.
  bool adds_in_place(NodeId value) const {
    const Gradient& known = gradients_[static_cast<std::size_t>(value)];
    return known.view.buffer != no_buffer && known.owned && known.view.contiguous();
  }
  // The gradient that has come in for a value: contiguous, in a buffer of its own; and where it is,
  // as a matrix of that many columns.
  BufferId gradient(NodeId id);
  View gradient_matrix(NodeId id, Index cols);
  bool owns_gradient(NodeId id) const { return gradients_[static_cast<std::size_t>(id)].owned; }
  // Puts another in the gradient's place.
  void replace_gradient(NodeId value, BufferId buffer) {
    gradients_[static_cast<std::size_t>(value)] = {whole_gradient(value, buffer), true};
  }

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
  void step(std::string name, double work, const std::vector<BufferId>& uses, StepFunction<T> run,
            bool barrier = true);

  // Keeps a buffer's content to the end of the run, for the caller to read.
  void keep(BufferId id);

  void add_activity(const ActivityBuffer& activity) { activities_.push_back(activity); }

  // Steps of the plan call what may throw.
  void may_fail() { may_fail_ = true; }
  void draws() { draws_ = true; }

  // Whether the batch is a block of one that other blocks are parts of, too; the number of the next
  // meeting with them, and the meeting, when the steps so far are done.
  bool is_block() const { return request_.is_block; }
  std::size_t next_meeting() const { return meetings_.size(); }
  void meet(Index values) { meetings_.push_back({steps_.size(), values}); }
  // The gradients that were begun are whole when the steps so far are done.
  void gradients_are_ready();

  Plan<T> finish();

 private:
  struct Buffer {
    Index bytes;
    int first = -1, last = -1;  // steps
  };
  struct Gradient {
    View view;
    bool owned;
  };
  BufferId buffer_bytes(Index bytes);
  std::vector<Lifetime> lifetimes() const;
  View whole_gradient(NodeId id, BufferId buffer) const {
    return whole(buffer, rows(id), node(id).shape.cols);
  }
  void add_step(const View& a, const View& b, const View& to);

  const PlanRequest<T>& request_;
  Fusion<T> fusion_;
  double work_ = 0;
  bool may_fail_ = false, draws_ = false;

  std::vector<Step<T>> steps_;
  std::vector<Buffer> buffers_;
  std::vector<BufferId> values_, saved_;
  std::vector<Gradient> gradients_;
  std::map<std::pair<NodeId, int>, BufferId> statistics_;
  std::unique_ptr<bool[]> derivative_applied_, bias_summed_;
  std::vector<const Parameter<T>*> parameters_written_;
  struct Begun {
    std::size_t meetings;  // before it
    std::size_t ready;     // steps
    bool open;             // whether more steps may write it
  };
  std::vector<Begun> begun_;  // for each of parameters_written_
  std::vector<Meeting> meetings_;
  BufferId workspace_ = no_buffer;
  std::vector<ActivityBuffer> activities_;
};

// The steps that read an input's batch, and those that compare an output with what it should be;
// the backward pass starts from the latter. `softmax`: the network's output is the softmax of this
// one. `shape`: the output's, which behind a reshape has other rows than the value.
template <class T>
void read_batch(PlanBuilder<T>& builder, std::size_t input, NodeId id);
template <class T>
LossBuffers compute_loss(PlanBuilder<T>& builder, std::size_t which, NodeId output,
                         SampleShape shape, const LossSpec& loss, const OutputLoss& wanted,
                         bool softmax);

}  // namespace unitgain::nn
