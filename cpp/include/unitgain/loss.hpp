// The losses by name: what they take, and the checks of their parameters.
#pragma once

#include <cstdint>
#include <string_view>

#include "unitgain/rows/loss.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

struct LossInfo {
  const char* name;
  bool takes_labels;  // class labels; target values otherwise
  bool takes_signs;   // -1 and 1; for a batch of 0 and 1 alone, 0 stands for -1
};

const LossInfo& loss_info(LossKind kind);

// Whether a kernel computes it; else a CustomLoss does.
bool has_kernel(const LossSpec& spec);

// A loss with its default parameters, and the mean over the rows.
LossSpec loss_spec(LossKind kind);

// The loss of that name. Throws ValueError for an unknown name.
LossSpec loss_spec(std::string_view name);

// How many targets a row of so many outputs is compared with: as many, or half of them where the
// outputs are means and variances, or one.
Index target_cols(const LossSpec& spec, Index output_cols);

// Throws ValueError unless the parameters are in their ranges and the outputs' rows can be that
// long.
void check_loss(const LossSpec& spec, Index output_cols);

// A batch's outputs with what they should be. Of labels and targets one is null; float or double.
struct OutputBatch {
  const void* outputs;
  const void* targets;
  const std::int32_t* labels;
  const double* weights;  // of the rows; null: 1
  Index rows, cols, target_cols;
  bool is_double;
};

// A loss that an embedding program, or Python, computes. One thread calls it, and what it throws
// ends the pass; it must not use the network.
class CustomLoss {
 public:
  virtual ~CustomLoss() = default;
  // Writes the loss of each row, without weights, and, unless `gradient` is null, its derivatives
  // with respect to the row's outputs, of their type.
  virtual void compute(const OutputBatch& batch, double* row_losses, void* gradient) = 0;
  // Whether a row's loss depends on other rows, too. Then `gradient` is that of the losses' sum
  // with the rows' weights, which `batch` has.
  virtual bool joins_rows() const { return false; }
};

}  // namespace unitgain
