// Shapes in messages.
#pragma once

#include <string>
#include <vector>

#include "unitgain/types.hpp"

namespace unitgain::base {

// "(64, 10)", "(64,)": as Python writes a tuple.
std::string shape_text(const std::vector<Index>& shape);

}  // namespace unitgain::base
