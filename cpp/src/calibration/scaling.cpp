// Temperature, vector and Platt scaling.
#include <algorithm>
#include <cmath>

#include "calibration/newton.hpp"
#include "ops/softmax.hpp"
#include "runtime/parallel.hpp"
#include "unitgain/calibration.hpp"
#include "unitgain/matmul.hpp"

namespace unitgain {

namespace {

// The rows of x become their softmaxes.
void softmax(std::vector<double>& x, Index rows, Index cols) {
  runtime::parallel(runtime::threads_for(ops::softmax_work(rows, cols)),
                    [&](const runtime::Team& team) {
                      ops::softmax<double>(team, x.data(), x.data(), rows, cols);
                    });
}

// The negative log-likelihood of softmax(scale z + offset), and the penalty; theta has the scales
// and then the offsets.
class VectorLoss {
 public:
  explicit VectorLoss(const LabelledLogits& logits)
      : logits_(logits), p_(logits.rows * logits.cols), both_(2 * p_.size()) {}

  double value(const std::vector<double>& theta) {
    const Index n = logits_.rows, k = logits_.cols;
    std::vector<Index> tops(static_cast<std::size_t>(n));
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      const std::span<const double> z = logits_.row(i);
      double* const scaled = p_.data() + i * k;
      for (Index j = 0; j < k; ++j) scaled[j] = theta[j] * z[j] + theta[k + j];
      tops[i] = std::max_element(scaled, scaled + k) - scaled;
      sum += scaled[tops[i]] - scaled[logits_.labels[i]];
    }
    softmax(p_, n, k);
    // The logarithm of the sum of the powers of e, over the largest of them.
    for (Index i = 0; i < n; ++i) sum -= std::log(p_[i * k + tops[i]]);
    double squares = 0;
    for (const double x : theta) squares += x * x;
    return sum / static_cast<double>(n) + penalty / 2 * squares;
  }

  void derivatives(const std::vector<double>& theta, double* slope, double* hessian) {
    const Index n = logits_.rows, k = logits_.cols, size = 2 * k;
    const double share = 1 / static_cast<double>(n);
    std::vector<double> corner(3 * k);  // sums of p z^2, p z and p
    std::fill_n(slope, size, 0.0);
    for (Index i = 0; i < n; ++i) {
      const std::span<const double> z = logits_.row(i);
      double* const pz = both_.data() + i * size;
      double* const p = std::copy_n(p_.data() + i * k, k, pz + k) - k;
      for (Index j = 0; j < k; ++j) {
        const double off = (p[j] - (j == logits_.labels[i] ? 1 : 0)) * share;
        slope[j] += off * z[j];
        slope[k + j] += off;
        pz[j] = p[j] * z[j];
        corner[j] += pz[j] * z[j] * share;
        corner[k + j] += pz[j] * share;
        corner[2 * k + j] += p[j] * share;
      }
    }
    // -P^T P / n for P = [p z, p], with the diagonals of the four blocks added.
    const MatrixView<const double> both = {both_.data(), n, size, size, 1};
    matmul<double>({both.data, size, n, 1, size}, both, {hessian, size, size, size, 1},
                   {.alpha = -share});
    for (Index j = 0; j < k; ++j) {
      hessian[j * size + j] += corner[j] + penalty;
      hessian[j * size + k + j] += corner[k + j];
      hessian[(k + j) * size + j] += corner[k + j];
      hessian[(k + j) * size + k + j] += corner[2 * k + j] + penalty;
    }
    for (Index j = 0; j < size; ++j) slope[j] += penalty * theta[j];
  }

 private:
  // Keeps the numbers finite where classes can be told apart without error.
  static constexpr double penalty = 1e-6;

  const LabelledLogits& logits_;
  std::vector<double> p_;     // of each row
  std::vector<double> both_;  // p z and p
};

// The negative log-likelihood of Platt's targets.
class SigmoidLoss {
 public:
  SigmoidLoss(std::span<const double> z, std::span<const bool> is_class)
      : z_(z), is_class_(is_class) {
    const auto positives = std::count(is_class.begin(), is_class.end(), true);
    const auto negatives = std::ssize(is_class) - positives;
    in_ = static_cast<double>(positives + 1) / static_cast<double>(positives + 2);
    out_ = 1 / static_cast<double>(negatives + 2);
    start_ = std::log(static_cast<double>(positives + 1) / static_cast<double>(negatives + 1));
  }

  double start() const { return start_; }

  double value(const std::vector<double>& theta) const {
    double sum = 0;
    for (std::size_t i = 0; i < z_.size(); ++i) {
      const double f = theta[0] * z_[i] + theta[1];
      // log(1 + exp(f)) without overflow (Lin, Lin and Weng, "A note on Platt's probabilistic
      // outputs for support vector machines", Machine Learning 68, 2007).
      sum += std::max(f, 0.0) + std::log1p(std::exp(-std::abs(f))) - target(i) * f;
    }
    return sum;
  }

  void derivatives(const std::vector<double>& theta, double* slope, double* hessian) const {
    constexpr double ridge = 1e-12;
    double by_scale = 0, by_offset = 0, zz = ridge, z = 0, one = ridge;
    for (std::size_t i = 0; i < z_.size(); ++i) {
      const double p = 1 / (1 + std::exp(-(theta[0] * z_[i] + theta[1])));
      const double off = p - target(i), weight = p * (1 - p);
      by_scale += off * z_[i];
      by_offset += off;
      zz += weight * z_[i] * z_[i];
      z += weight * z_[i];
      one += weight;
    }
    slope[0] = by_scale;
    slope[1] = by_offset;
    hessian[0] = zz;
    hessian[1] = hessian[2] = z;
    hessian[3] = one;
  }

 private:
  double target(std::size_t i) const { return is_class_[i] ? in_ : out_; }

  std::span<const double> z_;
  std::span<const bool> is_class_;
  double in_, out_, start_;
};

}  // namespace

double fit_temperature(const LabelledLogits& logits) {
  constexpr int most_steps = 100;
  const Index n = logits.rows, k = logits.cols;
  std::vector<double> z(n * k), p(z.size());  // z: without the largest of the row
  double wanted = 0;
  for (Index i = 0; i < n; ++i) {
    const std::span<const double> row = logits.row(i);
    const double top = *std::max_element(row.begin(), row.end());
    for (Index j = 0; j < k; ++j) z[i * k + j] = row[j] - top;
    wanted += z[i * k + logits.labels[i]];
  }
  double low = 1e-3, high = 1e3, beta = 1;  // of the inverse
  for (int step = 0; step < most_steps; ++step) {
    for (std::size_t i = 0; i < z.size(); ++i) p[i] = beta * z[i];
    softmax(p, n, k);
    double slope = -wanted, curvature = 0;  // of the loss
    for (Index i = 0; i < n; ++i) {
      double mean = 0, square = 0;
      for (Index j = i * k; j < (i + 1) * k; ++j) {
        mean += p[j] * z[j];
        square += p[j] * z[j] * z[j];
      }
      slope += mean;
      curvature += square - mean * mean;
    }
    (slope > 0 ? high : low) = beta;
    const double next = curvature > 0 ? beta - slope / curvature : 0;
    const double last = beta;
    beta = low < next && next < high ? next : std::sqrt(low * high);
    if (std::abs(beta - last) <= 1e-14 * beta) break;
  }
  return 1 / beta;
}

Scaling fit_vector_scaling(const LabelledLogits& logits) {
  const auto k = static_cast<std::size_t>(logits.cols);
  VectorLoss loss(logits);
  std::vector<double> theta(2 * k, 0.0);
  std::fill_n(theta.begin(), k, 1.0);
  calibration::minimise(loss, theta);
  const auto middle = theta.begin() + logits.cols;
  return {{theta.begin(), middle}, {middle, theta.end()}};
}

Sigmoid fit_sigmoid(std::span<const double> z, std::span<const bool> is_class) {
  SigmoidLoss loss(z, is_class);
  std::vector<double> theta = {0, loss.start()};
  calibration::minimise(loss, theta);
  return {theta[0], theta[1]};
}

}  // namespace unitgain
