#include <utility>

#include "runtime/contracts/checked.hpp"
#include "simd/kernels/cluster.hpp"
#include "simd/kernels/optimizer.hpp"
#include "simd/kernels/peak.hpp"
#include "simd/kernels/weight.hpp"

namespace unitgain::runtime {

namespace {

template <class T, int update>
void check_update(typename simd::OptimizerKernels<T>::Row& row) {
  using Row = typename simd::OptimizerKernels<T>::Row;
  static const Row before = row;
  bare<Row, update> = &before;
  const auto contract = [](const Row&, const simd::UpdateArrays<T>& arrays, Index n,
                           const simd::UpdateFactors<T>&) {
    const auto array = [&](const T* x) { return optional(x, vector(x, n)); };
    UNITGAIN_ASSERT(
        arrays.g != nullptr || n == 0 || update == static_cast<int>(simd::Update::average),
        "optimizer: there is no gradient");
    UNITGAIN_ASSERT(is_apart(vector(arrays.w, n),
                             {array(arrays.g), array(arrays.slots[0]), array(arrays.slots[1]),
                              array(arrays.slots[2]), array(arrays.average)}),
                    "optimizer: the weights overlap another array, or are null");
    UNITGAIN_ASSERT(
        is_apart(array(arrays.average), {array(arrays.g), array(arrays.slots[0]),
                                         array(arrays.slots[1]), array(arrays.slots[2])}),
        "optimizer: the average overlaps another array");
  };
  check<&Row::plain, update>(row, contract);
  check<&Row::full, update>(row, contract);
}

template <class T, int... updates>
void check_updates(simd::OptimizerKernels<T>& table,
                   std::integer_sequence<int, updates...> /*all*/) {
  (check_update<T, updates>(table.row[updates]), ...);
}

}  // namespace

template <class T>
const simd::OptimizerKernels<T>* with_contracts(const simd::OptimizerKernels<T>& kernels) {
  using Optimizer = simd::OptimizerKernels<T>;
  return checked_copy(kernels, [](Optimizer& table) {
    check_updates(table, std::make_integer_sequence<int, simd::update_count>());
  });
}

template <class T>
const simd::WeightKernels<T>* with_contracts(const simd::WeightKernels<T>& kernels) {
  using Weight = simd::WeightKernels<T>;
  return checked_copy(kernels, [](Weight& table) {
    check<&Weight::magnitudes>(table, [](const Weight&, const T* w, Index n, double* sums) {
      UNITGAIN_ASSERT(is_apart(vector(sums, 2), {vector(w, n)}),
                      "weight.magnitudes: the sums overlap the weights, or one is null");
    });
    check<&Weight::penalize>(table, [](const Weight&, const simd::PenaltyArrays<T>& arrays, Index n,
                                       const simd::PenaltyFactors<T>&) {
      UNITGAIN_ASSERT(is_in_place_or_apart(
                          vector(arrays.gradient, n),
                          {vector(arrays.g, n), optional(arrays.sum, vector(arrays.sum, n))}) &&
                          is_apart(vector(arrays.gradient, n), {vector(arrays.w, n)}),
                      "weight.penalize: the gradient overlaps an input, or one of them is null");
    });
    check<&Weight::non_negative>(table, [](const Weight&, T* w, Index n) {
      UNITGAIN_ASSERT(are_there({vector(w, n)}), "weight.non_negative: the weights are null");
    });
    check<&Weight::column_squares>(
        table, [](const Weight&, const T* w, Index row_stride, Index rows, Index cols, T* squares) {
          UNITGAIN_ASSERT(is_apart(vector(squares, cols), {matrix(w, rows, cols, row_stride)}),
                          "weight.column_squares: the squares overlap the weights");
        });
    check<&Weight::scale_columns>(
        table, [](const Weight&, T* w, Index row_stride, Index rows, Index cols, const T* factors) {
          UNITGAIN_ASSERT(is_apart(matrix(w, rows, cols, row_stride), {vector(factors, cols)}),
                          "weight.scale_columns: the factors overlap the weights");
        });
  });
}

template <class T>
const simd::ClusterKernels<T>* with_contracts(const simd::ClusterKernels<T>& kernels) {
  using Cluster = simd::ClusterKernels<T>;
  return checked_copy(kernels, [](Cluster& table) {
    check<&Cluster::center>(
        table, [](const Cluster&, const T* x, Index row_stride, Index col_stride, const T* shift,
                  Index rows, Index cols, T* to, Index to_stride, T* squares) {
          UNITGAIN_ASSERT(is_apart(matrix(to, rows, cols, to_stride),
                                   {matrix(x, rows, cols, row_stride, col_stride),
                                    vector(shift, cols), vector(squares, rows)}),
                          "cluster.center: the result overlaps an array, or one is null");
        });
    check<&Cluster::nearest>(table, [](const Cluster&, const T* products, Index row_stride,
                                       Index rows, Index cols, const T* offsets,
                                       std::int32_t* labels, T* values) {
      UNITGAIN_ASSERT(cols > 0, "cluster.nearest: there are no centres");
      UNITGAIN_ASSERT(is_apart(vector(values, rows), {matrix(products, rows, cols, row_stride),
                                                      vector(offsets, cols), vector(labels, rows)}),
                      "cluster.nearest: the values overlap an array, or one is null");
    });
    check<&Cluster::nearest_two>(table, [](const Cluster&, const T* products, Index row_stride,
                                           Index rows, Index cols, const T* offsets,
                                           std::int32_t* labels, T* values, T* seconds) {
      UNITGAIN_ASSERT(cols > 0, "cluster.nearest_two: there are no centres");
      for (T* out : {values, seconds}) {
        UNITGAIN_ASSERT(is_apart(vector(out, rows), {matrix(products, rows, cols, row_stride),
                                                     vector(offsets, cols), vector(labels, rows)}),
                        "cluster.nearest_two: a result overlaps an array, or one is null");
      }
      UNITGAIN_ASSERT(is_apart(vector(values, rows), {vector(seconds, rows)}),
                      "cluster.nearest_two: the results overlap");
    });
    check<&Cluster::bounds>(table, [](const Cluster&, const T* values, const T* seconds,
                                      const T* squares, Index n, T, T, T* uppers, T* lowers) {
      UNITGAIN_ASSERT(are_there({vector(values, n), vector(seconds, n), vector(squares, n)}) &&
                          is_apart(vector(uppers, n), {vector(lowers, n)}),
                      "cluster.bounds: the bounds overlap, or an array is null");
    });
    check<&Cluster::move_bounds>(
        table, [](const Cluster&, T* uppers, T* lowers, const std::int32_t* labels, const T* rises,
                  const T* falls, const T* halves, Index n, Index, std::int32_t* open) {
          UNITGAIN_ASSERT(n == 0 || (rises != nullptr && falls != nullptr && halves != nullptr),
                          "cluster.move_bounds: the centres' moves are null");
          UNITGAIN_ASSERT(
              is_apart(vector(open, n), {vector(uppers, n), vector(lowers, n), vector(labels, n)}),
              "cluster.move_bounds: the open samples overlap an array, or one is null");
        });
    check<&Cluster::squared_distances>(
        table, [](const Cluster&, const T* products, Index row_stride, Index rows, Index cols,
                  const T* squares, const T* offsets, const T* x, Index x_stride, const T* centers,
                  Index centers_stride, Index depth, T* to, Index to_stride) {
          const Area out = matrix(to, rows, cols, to_stride);
          UNITGAIN_ASSERT(is_in_place_or_apart(out, {matrix(products, rows, cols, row_stride)}) &&
                              is_apart(out, {vector(squares, rows), vector(offsets, cols),
                                             matrix(x, rows, depth, x_stride),
                                             matrix(centers, cols, depth, centers_stride)}),
                          "cluster.squared_distances: the distances overlap an input");
        });
    check<&Cluster::potentials>(
        table, [](const Cluster&, const T* squares, Index row_stride, Index rows, Index cols,
                  const T* least, const T* weights, double* sums) {
          UNITGAIN_ASSERT(is_apart(vector(sums, cols),
                                   {matrix(squares, rows, cols, row_stride), vector(least, rows),
                                    optional(weights, vector(weights, rows))}),
                          "cluster.potentials: the sums overlap an input, or one is null");
        });
    check<&Cluster::distances_to>(
        table, [](const Cluster&, const T* x, Index x_stride, const T*, Index,
                  const std::int32_t* labels, Index rows, Index cols, T* distances) {
          UNITGAIN_ASSERT(is_apart(vector(distances, rows),
                                   {matrix(x, rows, cols, x_stride), vector(labels, rows)}),
                          "cluster.distances_to: the distances overlap an input");
        });
    check<&Cluster::add_to_sums>(table, [](const Cluster&, const T* x, Index x_stride,
                                           const std::int32_t* labels, const T* weights, Index rows,
                                           Index cols, double* sums) {
      UNITGAIN_ASSERT(
          are_there({matrix(x, rows, cols, x_stride), vector(labels, rows),
                     optional(weights, vector(weights, rows)), vector(sums, rows == 0 ? 0 : cols)}),
          "cluster.add_to_sums: an array is null");
    });
    check<&Cluster::move_in_sums>(
        table, [](const Cluster&, const T* x, double, Index cols, double* from, double* to) {
          UNITGAIN_ASSERT(is_apart(vector(to, cols), {vector(from, cols), vector(x, cols)}),
                          "cluster.move_in_sums: the sums overlap, or an array is null");
        });
    check<&Cluster::square_roots>(table, [](const Cluster&, const T* x, T* y, Index n) {
      UNITGAIN_ASSERT(is_in_place_or_apart(vector(y, n), {vector(x, n)}),
                      "cluster.square_roots: y overlaps x, or one of them is null");
    });
    check<&Cluster::sum_of_distances>(
        table, [](const Cluster&, const T* products, T, const T* offsets, Index n) {
          UNITGAIN_ASSERT(are_there({vector(products, n), vector(offsets, n)}),
                          "cluster.sum_of_distances: an array is null");
        });
  });
}

const simd::PeakKernels* with_contracts(const simd::PeakKernels& kernels) {
  using Peak = simd::PeakKernels;
  return checked_copy(kernels, [](Peak& table) {
    check<&Peak::read>(table, [](const Peak&, const float* x, Index n) {
      UNITGAIN_ASSERT(n % 128 == 0, "peak.read: n is no multiple of 128");
      UNITGAIN_ASSERT(are_there({vector(x, n)}), "peak.read: x is null");
    });
  });
}

#define UNITGAIN_INSTANTIATE(Family)                                                     \
  template const simd::Family<float>* with_contracts<float>(const simd::Family<float>&); \
  template const simd::Family<double>* with_contracts<double>(const simd::Family<double>&);
UNITGAIN_INSTANTIATE(OptimizerKernels)
UNITGAIN_INSTANTIATE(WeightKernels)
UNITGAIN_INSTANTIATE(ClusterKernels)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::runtime
