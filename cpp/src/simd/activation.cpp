// The table of activations.
#include "simd/activation_rows.hpp"
#include "simd/variant.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

namespace {

// In the order of the enumeration Activation.
template <class T>
constexpr ActivationKernels<T> table_of(const LinearRows<T>& l, const ExponentialRows<T>& e,
                                        const GatedRows<T>& g) {
  return {{&l.linear,     &l.relu,        &l.leaky_relu, &e.elu,       &e.selu,
           &e.sigmoid,    &e.tanh,        &g.silu,       &l.step,      &l.general_relu,
           &l.relu6,      &e.celu,        &g.gelu,       &g.gelu_tanh, &l.hard_sigmoid,
           &e.softplus,   &e.log_sigmoid, &e.softsign,   &l.hard_silu, &g.mish,
           &e.exponential}};
}

}  // namespace

constinit const ActivationKernels<float> activation_f32 =
    table_of(linear_rows_f32, exponential_rows_f32, gated_rows_f32);
constinit const ActivationKernels<double> activation_f64 =
    table_of(linear_rows_f64, exponential_rows_f64, gated_rows_f64);

}  // namespace unitgain::simd::UNITGAIN_VARIANT
