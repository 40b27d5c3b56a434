// Totals of a node from the sums of its columns.
#include <algorithm>
#include <cmath>
#include <compare>
#include <limits>
#include <numeric>
#include <vector>

#include "unitgain/signals.hpp"

namespace unitgain {

namespace {

// Of each column, within the sums.
class Columns {
 public:
  Columns(const double* sums, Index cols) : sums_(sums), cols_(cols) {}
  double at(ColumnSum which, Index column) const {
    return sums_[static_cast<Index>(which) * cols_ + column];
  }

 private:
  const double* sums_;
  Index cols_;
};

double equal_neighbours(const Columns& columns, Index cols, Index rows, double tolerance) {
  std::vector<Index> order(static_cast<std::size_t>(cols));
  std::iota(order.begin(), order.end(), Index{0});
  // A total order, NaN included. Not stable_sort, whose buffer comes from a deprecated function of
  // the standard library.
  std::sort(order.begin(), order.end(), [&](Index a, Index b) {
    const auto compared = std::strong_order(columns.at(ColumnSum::projection, a),
                                            columns.at(ColumnSum::projection, b));
    return compared < 0 || (compared == 0 && a < b);
  });
  const auto norm = [&](Index column) {
    return std::sqrt(columns.at(ColumnSum::squares, column) * static_cast<double>(rows));
  };
  Index count = 0;
  for (std::size_t i = 1; i < order.size(); ++i) {
    const Index a = order[i - 1], b = order[i];
    const double larger = std::max(norm(a), norm(b));
    const auto is_equal = [&](ColumnSum which, double scale) {
      return std::abs(columns.at(which, a) - columns.at(which, b)) <= tolerance * scale;
    };
    count += is_equal(ColumnSum::projection, larger) && is_equal(ColumnSum::sum, larger) &&
             is_equal(ColumnSum::squares, larger * larger);
  }
  return static_cast<double>(count);
}

}  // namespace

ColumnTotals column_totals(const double* sums, Index cols, Index rows, double tolerance) {
  const Columns columns(sums, cols);
  ColumnTotals totals;
  totals.smallest = columns.at(ColumnSum::smallest, 0);
  totals.largest = columns.at(ColumnSum::largest, 0);
  bool is_finite = true;
  for (Index j = 0; j < cols; ++j) {
    const double sum = columns.at(ColumnSum::sum, j);
    totals.sum += sum;
    totals.squares += columns.at(ColumnSum::squares, j);
    totals.zeros += columns.at(ColumnSum::zeros, j);
    totals.saturated += columns.at(ColumnSum::saturated, j);
    totals.squares_of_sums += sum * sum;
    totals.most_zeros = std::max(totals.most_zeros, columns.at(ColumnSum::zeros, j));
    const double smallest = columns.at(ColumnSum::smallest, j);
    const double largest = columns.at(ColumnSum::largest, j);
    if (!(smallest >= totals.smallest)) totals.smallest = smallest;
    if (!(largest <= totals.largest)) totals.largest = largest;
    is_finite = is_finite && std::isfinite(columns.at(ColumnSum::projection, j));
  }
  totals.equal_neighbours = is_finite ? equal_neighbours(columns, cols, rows, tolerance)
                                      : std::numeric_limits<double>::quiet_NaN();
  return totals;
}

}  // namespace unitgain
