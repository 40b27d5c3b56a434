// The losses by name: what they take, and the checks of their parameters.
#pragma once

#include <string_view>

#include "unitgain/types.hpp"

namespace unitgain {

struct LossInfo {
  const char* name;
  bool takes_labels;  // class labels; target values otherwise
};

const LossInfo& loss_info(LossKind kind);

// A loss with its default parameters: mean over the rows, delta 1, epsilon 1e-6, the rest off.
LossSpec loss_spec(LossKind kind);

// The loss of that name. Throws ValueError for an unknown name.
LossSpec loss_spec(std::string_view name);

// How many targets a row of so many outputs is compared with: as many, or half of them where the
// outputs are means and variances.
Index target_cols(const LossSpec& spec, Index output_cols);

// Throws ValueError unless the parameters are in their ranges and the outputs' rows can be that
// long.
void check_loss(const LossSpec& spec, Index output_cols);

}  // namespace unitgain
