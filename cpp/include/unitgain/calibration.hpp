// Calibration: what makes probabilities of logits, fitted to samples that the network was not
// trained on. Logits are finite, and there is one row at least; nobody checks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "unitgain/types.hpp"

namespace unitgain {

// Contiguous rows of logits, and the column that is right in each.
struct LabelledLogits {
  const double* data;
  Index rows;
  Index cols;
  const std::int32_t* labels;

  std::span<const double> row(Index i) const {
    return {data + i * cols, static_cast<std::size_t>(cols)};
  }
};

// The temperature between 1e-3 and 1e3 at which softmax(logits / temperature) makes the labels
// likeliest: Newton's method for its inverse, in which the negative log-likelihood is convex,
// within a bracket. Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks",
// ICML 2017.
double fit_temperature(const LabelledLogits& logits);

// The scale and offset of each column for which softmax(scale logits + offset) makes the labels
// likeliest, with a penalty of 5e-7 times their squares on the mean negative log-likelihood (Guo et
// al., ICML 2017).
struct Scaling {
  std::vector<double> scale;
  std::vector<double> offset;
};
Scaling fit_vector_scaling(const LabelledLogits& logits);

// The sigmoid of scale z + offset that makes Platt's targets likeliest ("Probabilistic outputs for
// support vector machines", 1999), which keep both finite.
struct Sigmoid {
  double scale;
  double offset;
};
Sigmoid fit_sigmoid(std::span<const double> z, std::span<const bool> is_class);

// The rising function of z whose squared distances to y are least, by pooling neighbours that fall
// (Ayer, Brunk, Ewing, Reid and Silverman, Annals of Mathematical Statistics 26, 1955): the ends of
// its steps, rising, and the values there.
struct Steps {
  std::vector<double> points;
  std::vector<double> values;
};
Steps fit_isotonic(std::span<const double> z, std::span<const double> y);

}  // namespace unitgain
