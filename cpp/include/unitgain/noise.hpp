// The kinds of noise by name, and what they are outside training.
#pragma once

#include <span>
#include <string_view>

#include "unitgain/rows/noise.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

// The noise of that name: dropout, alpha_dropout, gaussian_noise, gaussian_dropout or rrelu. Throws
// ValueError for another name and for bad parameters.
NoiseSpec noise_spec(std::string_view name, std::span<const double> parameters);

const char* noise_name(Noise kind);

// How many parameters it has.
int noise_parameters(Noise kind);

// Throws ValueError unless a rate is in [0, 1), a standard deviation finite and at least 0, and
// slopes finite with 0 <= lower <= upper.
void check_noise(const NoiseSpec& spec);

// Outside training: leaky ReLU with the mean slope for rrelu, and the identity for all others.
ActivationSpec mean_activation(const NoiseSpec& spec);

}  // namespace unitgain
