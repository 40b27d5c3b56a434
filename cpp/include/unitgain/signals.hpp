// A network's signals on their way: sums over the values at each node of a batch,
// and over the gradients there.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "unitgain/graph.hpp"

namespace unitgain {

// The sums over an array's rows, each column's by itself. The projection is that on fixed random
// weights of the rows: columns that are copies of each other, and in practice no others, have equal
// ones. Saturated are an activation's outputs where its slope is below a hundredth of its largest.
enum class ColumnSum { sum, squares, projection, zeros, smallest, largest, saturated };
inline constexpr Index column_sum_count = 7;

// Sums of a node's columns, taken together.
struct ColumnTotals {
  double sum = 0, squares = 0, zeros = 0, saturated = 0;
  double squares_of_sums = 0;        // of each column
  double smallest = 0, largest = 0;  // NaN where one is
  double most_zeros = 0;             // of a column
  // How often a column and the next, in the order of their projections, have equal sums, squares
  // and projections, within `tolerance` of what they may be by their norms; NaN if values are not
  // finite.
  double equal_neighbours = 0;
};
inline constexpr Index column_total_count = 9;

// Of sums of column_sum_count times cols over that many rows, of one column at least.
ColumnTotals column_totals(const double* sums, Index cols, Index rows, double tolerance);

struct NodeSignal {
  NodeId node;
  Index rows, cols;
  bool has_slope;                 // whether `saturated` was counted
  std::vector<double> values;     // column_sum_count times cols
  std::vector<double> gradients;  // the same of the loss's gradient at the values; empty: none
  std::vector<double> histogram;  // of the values from the smallest to the largest; empty: none
};

struct ParameterSignal {
  double gradient;  // norms
  double weights;
  double update = std::numeric_limits<double>::quiet_NaN();  // of what a step has changed
};

struct Signals {
  double loss = 0;
  std::vector<NodeSignal> nodes;            // in the graph's order, those that were computed
  std::vector<ParameterSignal> parameters;  // in the order of Network::trainable()
};

// Told of the signals of every `every`-th step of training; 0: of none.
struct SignalMonitor {
  Index every = 0;
  std::function<void(const Signals&, std::int64_t step)> tell = {};
};

}  // namespace unitgain
