#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "check.hpp"
#include "memory.hpp"
#include "runtime/dispatch.hpp"
#include "simd/kernels/normalization.hpp"
#include "simd/kernels/optimizer.hpp"
#include "simd/kernels/vector.hpp"

namespace unitgain::tests {

using simd::Update;

template <class T>
static const simd::OptimizerKernels<T>& kernels() {
  return runtime::family<simd::OptimizerKernels<T>>();
}

// One weight: w, g and its slots.
template <class T>
struct Weight {
  Reference<T> w, g, s[3];
};

template <class T>
using Factors = simd::UpdateFactors<T>;

template <class T>
struct Formula {
  Update update;
  int slots;
  std::function<void(Weight<T>&, const Factors<T>&)> step;
};

template <class T>
static Reference<T> move(Reference<T>& x, Reference<T> to, Reference<T> rest) {
  return x = (1 - rest) * x + rest * to;
}

template <class T>
static std::vector<Formula<T>> formulas() {
  using W = Weight<T>;
  using F = Factors<T>;
  using R = Reference<T>;
  const auto adam = [](W& x, const F& f, bool amsgrad) {
    const R m = move<T>(x.s[0], x.g, f.one_minus_beta_1);
    R v = move<T>(x.s[1], x.g * x.g, f.one_minus_beta_2);
    if (amsgrad) v = x.s[2] = std::max(x.s[2], v);
    x.w -= f.rate * m / (std::sqrt(v) + f.epsilon);
  };
  const auto momentum = [](W& x, const F& f, bool nesterov) {
    x.s[0] = f.momentum * x.s[0] - f.rate * x.g;
    x.w += nesterov ? f.momentum * x.s[0] - f.rate * x.g : x.s[0];
  };
  const auto rmsprop = [](W& x, const F& f, bool centered, bool heavy) {
    R v = move<T>(x.s[0], x.g * x.g, f.one_minus_beta_2);
    if (centered) v -= std::pow(move<T>(x.s[heavy ? 2 : 1], x.g, f.one_minus_beta_2), 2);
    R change = f.rate * x.g / std::sqrt(v + f.epsilon);
    if (heavy) change = x.s[1] = f.momentum * x.s[1] + change;
    x.w -= change;
  };
  const auto muon = [](W& x, const F& f, bool nesterov) {
    x.s[0] = f.momentum * x.s[0] + x.g;
    x.w = nesterov ? f.momentum * x.s[0] + x.g : x.s[0];
  };
  return {
      {Update::average, 0, [](W&, const F&) {}},
      {Update::sgd, 0, [](W& x, const F& f) { x.w -= f.rate * x.g; }},
      {Update::momentum, 1, [=](W& x, const F& f) { momentum(x, f, false); }},
      {Update::nesterov, 1, [=](W& x, const F& f) { momentum(x, f, true); }},
      {Update::adagrad, 1,
       [](W& x, const F& f) {
         x.s[0] += x.g * x.g;
         x.w -= f.rate * x.g / std::sqrt(x.s[0] + f.epsilon);
       }},
      {Update::adadelta, 2,
       [](W& x, const F& f) {
         const R a = move<T>(x.s[0], x.g * x.g, f.one_minus_beta_2);
         const R change = x.g * std::sqrt((x.s[1] + f.epsilon) / (a + f.epsilon));
         move<T>(x.s[1], change * change, f.one_minus_beta_2);
         x.w -= f.rate * change;
       }},
      {Update::rmsprop, 1, [=](W& x, const F& f) { rmsprop(x, f, false, false); }},
      {Update::rmsprop_momentum, 2, [=](W& x, const F& f) { rmsprop(x, f, false, true); }},
      {Update::rmsprop_centered, 2, [=](W& x, const F& f) { rmsprop(x, f, true, false); }},
      {Update::rmsprop_centered_momentum, 3, [=](W& x, const F& f) { rmsprop(x, f, true, true); }},
      {Update::adam, 2, [=](W& x, const F& f) { adam(x, f, false); }},
      {Update::amsgrad, 3, [=](W& x, const F& f) { adam(x, f, true); }},
      {Update::adamax, 2,
       [](W& x, const F& f) {
         const R m = move<T>(x.s[0], x.g, f.one_minus_beta_1);
         x.s[1] = std::max<R>((1 - R(f.one_minus_beta_2)) * x.s[1], std::abs(x.g));
         x.w -= f.rate * m / (x.s[1] + f.epsilon);
       }},
      {Update::nadam, 2,
       [](W& x, const F& f) {
         const R m = move<T>(x.s[0], x.g, f.one_minus_beta_1);
         const R v = move<T>(x.s[1], x.g * x.g, f.one_minus_beta_2);
         x.w -= (f.rate * m + f.gradient_rate * x.g) / (std::sqrt(v) + f.epsilon);
       }},
      {Update::lion, 1,
       [](W& x, const F& f) {
         const R c = x.s[0] + (x.g - x.s[0]) * f.one_minus_beta_1;
         x.w -= f.rate * (c > 0 ? 1 : c < 0 ? -1 : 0);
         move<T>(x.s[0], x.g, f.one_minus_beta_2);
       }},
      {Update::muon, 1, [=](W& x, const F& f) { muon(x, f, false); }},
      {Update::muon_nesterov, 1, [=](W& x, const F& f) { muon(x, f, true); }},
      {Update::lamb, 2,
       [=](W& x, const F& f) {
         x.w = 0;
         adam(x, f, false);
         x.w = -x.w;
       }},
      {Update::ftrl, 2,
       [](W& x, const F& f) {
         const R old = std::pow(x.s[0], R(f.power));
         x.s[0] += x.g * x.g;
         const R root = std::pow(x.s[0], R(f.power));
         x.s[1] += x.g + 2 * R(f.shrinkage) * x.w - (root - old) / f.rate * x.w;
         const R beyond = std::max(std::abs(x.s[1]) - R(f.l1), R(0));
         x.w = (x.s[1] < 0 ? beyond : -beyond) / ((root + f.beta) / f.rate + 2 * R(f.l2));
       }},
      {Update::gradient, 0, [](W& x, const F&) { x.w = x.g; }},
      {Update::adafactor, 1,
       [](W& x, const F& f) {
         x.w = x.g / std::sqrt(move<T>(x.s[0], x.g * x.g + f.epsilon, f.one_minus_beta_2));
       }},
  };
}

// Whether the rule starts from the weights.
static bool takes_weights(Update update) {
  return update < Update::muon || update == Update::ftrl;
}

template <class T>
static Factors<T> plain_factors() {
  Factors<T> f{};
  f.rate = T(0.0625);
  f.gradient_rate = T(0.03125);
  f.momentum = T(0.875);
  f.one_minus_beta_1 = T(0.125);
  f.one_minus_beta_2 = T(0.25);
  f.epsilon = T(0.0078125);
  f.scale[0] = f.scale[1] = 1;
  f.power = T(0.5);
  f.beta = T(0.25);
  f.l1 = T(0.0625);
  f.l2 = T(0.125);
  f.shrinkage = T(0.03125);
  return f;
}

// Runs one update over n weights and compares all that it wrote.
template <class T>
static void check_update(const Formula<T>& formula, Index n, const Factors<T>& f, bool full) {
  const auto w_before = random_array<T>(n, 1), g = random_array<T>(n, 2);
  const auto average_before = random_array<T>(n, 3);
  const Array<T> w = w_before, average = average_before;
  std::vector<Array<T>> before, slots;
  simd::UpdateArrays<T> arrays{w.data(), g.data(), {}, full ? average.data() : nullptr};
  for (int i = 0; i < formula.slots; ++i) {
    // Larger than a mean's square, which the centred rule subtracts.
    before.push_back(
        random_array<T>(n, 4 + static_cast<unsigned>(i), i == 2 ? 0.1 : 0.5, i == 2 ? 0.3 : 1.0));
    slots.push_back(before.back());
    arrays.slots[i] = slots.back().data();
  }
  const auto& row = kernels<T>().row[static_cast<int>(formula.update)];
  (full ? row.full : row.plain)(arrays, n, f);
  for (Index i = 0; i < n; ++i) {
    Weight<T> x{w_before[i], g[i], {}};
    for (int s = 0; s < formula.slots; ++s) x.s[s] = before[static_cast<std::size_t>(s)][i];
    Reference<T> mean = average_before[i];
    if (full) {
      x.g *= Reference<T>(f.scale[0]) * f.scale[1];
      if (f.clip > 0) x.g = std::min<Reference<T>>(std::max<Reference<T>>(x.g, -f.clip), f.clip);
      x.w -= x.w * f.decay;
    }
    formula.step(x, f);
    if (full) {
      mean += (x.w - mean) * f.average_rest;
      CHECK_NEAR(average[i], mean, 64 * epsilon<T>, "n = " << n << ", i = " << i);
      if (f.overwrite) x.w = mean;
    }
    const int rule = static_cast<int>(formula.update);
    CHECK_NEAR(w[i], x.w, 64 * epsilon<T>, "update " << rule << ", n = " << n << ", i = " << i);
    for (int s = 0; s < formula.slots; ++s) {
      CHECK_NEAR(slots[static_cast<std::size_t>(s)][i], x.s[s], 64 * epsilon<T>,
                 "update " << rule << ", slot " << s << ", n = " << n << ", i = " << i);
    }
  }
}

UNITGAIN_TYPED_TEST(optimizer_updates_follow_their_formulas) {
  CHECK(formulas<T>().size() == simd::update_count, "a formula for each update");
  for (const Formula<T>& formula : formulas<T>()) {
    for (const Index n : sizes) check_update<T>(formula, n, plain_factors<T>(), false);
  }
}

UNITGAIN_TYPED_TEST(optimizer_updates_clip_decay_and_average) {
  Factors<T> f = plain_factors<T>();
  f.scale[0] = T(0.5);
  f.scale[1] = T(1.5);
  f.clip = T(0.4);
  f.average_rest = T(0.25);
  for (const bool overwrite : {false, true}) {
    f.overwrite = overwrite;
    for (const Formula<T>& formula : formulas<T>()) {
      f.decay = takes_weights(formula.update) ? T(0.125) : T(0);
      for (const Index n : sizes) check_update<T>(formula, n, f, true);
    }
  }
}

UNITGAIN_TYPED_TEST(optimizer_updates_without_extras_are_the_plain_ones) {
  for (const Formula<T>& formula : formulas<T>()) {
    const Index n = 77;
    const auto g = random_array<T>(n, 2);
    const Array<T> plain = random_array<T>(n, 1), full = plain;
    const Array<T> zeros(3 * n, 0.5), zeros_too = zeros;
    const auto arrays = [&](const Array<T>& w, const Array<T>& s) {
      return simd::UpdateArrays<T>{
          w.data(), g.data(), {s.data(), s.data() + n, s.data() + 2 * n}, nullptr};
    };
    const auto& row = kernels<T>().row[static_cast<int>(formula.update)];
    row.plain(arrays(plain, zeros), n, plain_factors<T>());
    row.full(arrays(full, zeros_too), n, plain_factors<T>());
    for (Index i = 0; i < n; ++i) CHECK(plain[i] == full[i], "i = " << i);
    for (Index i = 0; i < 3 * n; ++i) CHECK(zeros[i] == zeros_too[i], "i = " << i);
  }
}

UNITGAIN_TYPED_TEST(adam_stands_still_without_gradients) {
  const Array<T> w = random_array<T>(33, 1);
  const Array<T> expected = w;
  const Array<T> g(33, 0.0), m(33, 0.0), v(33, 0.0);
  kernels<T>().row[static_cast<int>(Update::adam)].plain(
      {w.data(), g.data(), {m.data(), v.data()}, nullptr}, 33, plain_factors<T>());
  for (Index i = 0; i < 33; ++i) CHECK(w[i] == expected[i], "i = " << i);
}

UNITGAIN_TYPED_TEST(sum_of_squares_is_that_of_doubles) {
  for (const Index n : sizes) {
    const auto x = random_array<T>(n, 1);
    long double expected = 0;
    for (Index i = 0; i < n; ++i) expected += std::pow(static_cast<long double>(x[i]) * 0.5L, 2);
    const double sum = runtime::kernels<T>().vector->sum_of_squares(x.data(), n, 0.5);
    CHECK_NEAR(sum, expected, 1e-14 * (1 + n), "n = " << n);
  }
}

}  // namespace unitgain::tests
