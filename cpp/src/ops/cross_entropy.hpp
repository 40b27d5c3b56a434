// Cross-entropy of rows against class labels, with its gradient and the predicted classes.
#pragma once

#include <cstdint>

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// For each row i of contiguous logits and its label (0 <= label < cols):
//   row_losses[i] = -log softmax(logits_i)[label], in nats;
//   gradient_i = scale (softmax(logits_i) - onehot(label)), unless gradient is null; it may be
//                written over the logits;
//   predicted[i] = the index of the largest logit: the first of equals, or of the NaN if there are
//   any.
template <class T>
void sparse_cross_entropy(const runtime::Team& team, const T* logits, Index rows, Index cols,
                          const std::int32_t* labels, T scale, T* gradient, double* row_losses,
                          std::int32_t* predicted);

// The same for rows of non-negative weights in place of logits, as Keras has it for
// from_logits=False: the row is divided by its sum, the label's share p is clipped to [1e-7, 1 -
// 1e-7], and the loss is -log p. The gradient is with respect to the row before the division, and
// zero where p was clipped.
template <class T>
void sparse_cross_entropy_from_probabilities(const runtime::Team& team, const T* probabilities,
                                             Index rows, Index cols, const std::int32_t* labels,
                                             T scale, T* gradient, double* row_losses,
                                             std::int32_t* predicted);

}  // namespace unitgain::ops
