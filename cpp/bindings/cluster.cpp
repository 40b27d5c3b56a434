#include "unitgain/cluster.hpp"

#include <algorithm>
#include <string>

#include "common.hpp"
#include "unitgain/linalg.hpp"

namespace unitgain::bindings {

namespace {

// Arrays that Python's side has made: of one dtype, and contiguous but for the samples' rows.
template <class T>
Samples<T> samples_of(const py::array& x, const py::object& weights) {
  const MatrixView<const T> view = matrix_view<T>(x);
  if (view.col_stride != 1 && view.cols > 1) throw ValueError("x must have unit column stride");
  Samples<T> samples = {{view.data, view.rows, view.cols, view.row_stride, 1}, nullptr};
  if (!weights.is_none()) {
    if (!py::isinstance<py::array_t<T, py::array::c_style>>(weights) ||
        py::len(weights) != static_cast<std::size_t>(view.rows)) {
      throw ValueError("weights must be contiguous, of x's dtype, and one for each sample");
    }
    samples.weights = static_cast<const T*>(py::reinterpret_borrow<py::array>(weights).data());
  }
  return samples;
}

template <class T>
T* data_of(py::array& array, Index size, const char* name) {
  if (!py::isinstance<py::array_t<T, py::array::c_style>>(array) || array.size() != size) {
    throw ValueError(std::string(name) + " must be contiguous, of " + std::to_string(size) +
                     " values");
  }
  return static_cast<T*>(array.mutable_data());
}

template <class T>
CenterView<const T> centers_of(const py::array& centers, Index cols) {
  if (!py::isinstance<py::array_t<T, py::array::c_style>>(centers) || centers.ndim() != 2 ||
      centers.shape(0) == 0 || centers.shape(1) != cols) {
    throw ValueError("centers must be contiguous, of x's dtype and number of columns");
  }
  return {static_cast<const T*>(centers.data()), centers.shape(0)};
}

py::tuple lloyd_of(const py::array& x, const py::object& weights, py::array centers,
                   py::array labels, Index most_iterations, double tolerance, bool is_last) {
  return dispatch_float(x, "x", [&](auto zero) {
    using T = decltype(zero);
    const Samples<T> samples = samples_of<T>(x, weights);
    const CenterView<const T> given = centers_of<T>(centers, samples.x.cols);
    const CenterView<T> view = {static_cast<T*>(centers.mutable_data()), given.clusters};
    std::int32_t* data = data_of<std::int32_t>(labels, samples.x.rows, "labels");
    LloydResult result;
    {
      const GilRelease released;
      result = lloyd(samples, view, data, {most_iterations, tolerance, is_last});
    }
    return py::make_tuple(result.iterations, result.is_stable, result.is_within_tolerance);
  });
}

py::object assign_of(const py::array& x, const py::object& weights, const py::array& centers,
                     bool squares_wanted, bool sums_wanted) {
  return dispatch_float(x, "x", [&](auto zero) -> py::object {
    using T = decltype(zero);
    const Samples<T> samples = samples_of<T>(x, weights);
    const CenterView<const T> view = centers_of<T>(centers, samples.x.cols);
    const Index rows = samples.x.rows;
    py::array_t<std::int32_t> labels(rows);
    std::fill_n(labels.mutable_data(), rows, -1);
    py::array_t<T> squares(squares_wanted ? rows : 0);
    py::array_t<double> sums({sums_wanted ? view.clusters : 0, samples.x.cols});
    py::array_t<double> totals(sums_wanted ? view.clusters : 0);
    const Assignment<T> wanted = {
        labels.mutable_data(), squares_wanted ? squares.mutable_data() : nullptr,
        sums_wanted ? sums.mutable_data() : nullptr, sums_wanted ? totals.mutable_data() : nullptr};
    {
      const GilRelease released;
      assign(samples, view, wanted);
    }
    return py::make_tuple(labels, squares, sums, totals);
  });
}

double inertia_of(const py::array& x, const py::object& weights, const py::array& centers,
                  py::array labels) {
  return dispatch_float(x, "x", [&](auto zero) {
    using T = decltype(zero);
    const Samples<T> samples = samples_of<T>(x, weights);
    const CenterView<const T> view = centers_of<T>(centers, samples.x.cols);
    const std::int32_t* data = data_of<std::int32_t>(labels, samples.x.rows, "labels");
    const GilRelease released;
    return inertia(samples, view, data);
  });
}

py::tuple seed_of(const py::array& x, const py::object& weights, Index clusters, Index trials,
                  std::uint64_t key, std::uint64_t stream) {
  return dispatch_float(x, "x", [&](auto zero) -> py::tuple {
    using T = decltype(zero);
    const Samples<T> samples = samples_of<T>(x, weights);
    py::array_t<T> centers({clusters, samples.x.cols});
    py::array_t<Index> indices(clusters);
    const CenterView<T> view = {centers.mutable_data(), clusters};
    Index* chosen = indices.mutable_data();
    {
      const GilRelease released;
      seed_centers(samples, view, chosen, trials, key, stream);
    }
    return py::make_tuple(centers, indices);
  });
}

Affinity affinity_named(const std::string& name) {
  constexpr const char* names[] = {"distance", "rbf", "soft", "one_hot"};
  const auto* found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) throw ValueError("there is no affinity " + name);
  return static_cast<Affinity>(found - names);
}

py::array affinities_of(const py::array& x, const py::array& centers, const std::string& name,
                        double bandwidth) {
  const Affinity kind = affinity_named(name);
  return dispatch_float(x, "x", [&](auto zero) -> py::array {
    using T = decltype(zero);
    const Samples<T> samples = samples_of<T>(x, py::none());
    const CenterView<const T> view = centers_of<T>(centers, samples.x.cols);
    py::array_t<T> out = new_array<T>({samples.x.rows, view.clusters});
    T* data = out.mutable_data();
    {
      const GilRelease released;
      affinities(samples.x, view, kind, bandwidth, data);
    }
    return out;
  });
}

py::array silhouettes_of(const py::array& x, const py::array_t<Index, py::array::c_style>& starts) {
  return dispatch_float(x, "x", [&](auto zero) -> py::array {
    using T = decltype(zero);
    const Samples<T> samples = samples_of<T>(x, py::none());
    py::array_t<T> out(samples.x.rows);
    T* data = out.mutable_data();
    const Index* first = starts.data();
    const Index clusters = starts.size() - 1;
    {
      const GilRelease released;
      silhouettes(samples.x, first, clusters, data);
    }
    return out;
  });
}

py::object non_finite_of(const py::array& x) {
  return dispatch_float(x, "x", [&](auto zero) -> py::object {
    const MatrixView<const decltype(zero)> view = matrix_view<decltype(zero)>(x);
    std::optional<Entry> found;
    {
      const GilRelease released;
      if (!is_finite(view)) found = find_non_finite(view);
    }
    if (!found) return py::none();
    return py::make_tuple(found->row, found->col);
  });
}

}  // namespace

void bind_cluster(py::module_& module) {
  module.def("kmeans_lloyd", &lloyd_of, py::arg("x"), py::arg("weights"), py::arg("centers"),
             py::arg("labels"), py::arg("most_iterations"), py::arg("tolerance"),
             py::arg("is_last"),
             "(iterations, is_stable, is_within_tolerance), centers and labels being changed.");
  module.def("kmeans_assign", &assign_of, py::arg("x"), py::arg("weights"), py::arg("centers"),
             py::arg("squares"), py::arg("sums"),
             "(labels, squared distances, sums, weights of clusters), those not wanted empty.");
  module.def("kmeans_inertia", &inertia_of, py::arg("x"), py::arg("weights"), py::arg("centers"),
             py::arg("labels"), "The sum of the squared distances from the samples' centres.");
  module.def("kmeans_seed", &seed_of, py::arg("x"), py::arg("weights"), py::arg("clusters"),
             py::arg("trials"), py::arg("key"), py::arg("stream"),
             "(centers, indices) that k-means++ chooses.");
  module.def("cluster_affinities", &affinities_of, py::arg("x"), py::arg("centers"),
             py::arg("affinity"), py::arg("bandwidth"), "What each sample is to each centre.");
  module.def("silhouettes", &silhouettes_of, py::arg("x"), py::arg("starts"),
             "The silhouettes of samples that are sorted by cluster.");
  module.def("find_non_finite", &non_finite_of, py::arg("x"),
             "(row, column) of a matrix's first entry that is NaN or infinite, or None.");
}

}  // namespace unitgain::bindings
