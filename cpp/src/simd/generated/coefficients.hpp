// Printed by tools/fit_polynomials.py --coefficients, which says what each function is.
#pragma once

#include "simd/vec.hpp"

namespace unitgain::simd::UNITGAIN_VARIANT {

// A number as a double and what that has lost.
struct Constant {
  double high;
  double low;
};

// (exp r - 1 - r - r^2 / 2) / r^3: error below 2^-38.42.
inline constexpr double exp_short[] = {
    0x1.5555555555555p-3,  0x1.5555555ca3b5bp-5,  0x1.11111113b9094p-7,  0x1.6c1684ed00949p-10,
    0x1.a019d5a357735p-13, 0x1.a114690a4d0eep-16, 0x1.72944ecbd3a91p-19,
};
// (exp r - 1 - r - r^2 / 2) / r^3: error below 2^-63.08.
inline constexpr double exp_long[] = {
    0x1.5555555555555p-3,  0x1.5555555555556p-5,  0x1.1111111111111p-7,  0x1.6c16c16c162a3p-10,
    0x1.a01a01a019b10p-13, 0x1.a01a01a6f35fbp-16, 0x1.71de3a59136fep-19, 0x1.27e4db0f8a3efp-22,
    0x1.ae6433ef79a14p-26, 0x1.1f73b376c0f55p-29, 0x1.61b373437eeb3p-33,
};
// 2 (artanh s - s) / s^3 in s^2: error below 2^-32.33.
inline constexpr double log_short[] = {
    0x1.55555553e7594p-1, 0x1.9999a0d3dcfedp-2, 0x1.248f579c7d0d0p-2,
    0x1.c7fb3587cdba6p-3, 0x1.65ad56d9e0064p-3, 0x1.a9bafb0c93ac9p-3,
};
// 2 (artanh s - s) / s^3 in s^2: error below 2^-58.5.
inline constexpr double log_long[] = {
    0x1.5555555555555p-1, 0x1.9999999999944p-2, 0x1.2492492499d46p-2, 0x1.c71c71bedea97p-3,
    0x1.745d19937b1fcp-3, 0x1.3b13515f6f9efp-3, 0x1.111abdc8abe16p-3, 0x1.e0a2d581ab68fp-4,
    0x1.bc37f0140c19ep-4, 0x1.32e0d25c9c761p-4, 0x1.401d3e65cdc48p-3,
};
// (1 + sqrt2 a) exp(a^2 / 2) erfc(a / sqrt2): error below 2^-38.19.
inline constexpr double mills_short[] = {
    0x1.3cfc0d6efe6f6p+0,  -0x1.1f443e9af763fp-3, 0x1.a6f40b2f40349p-10,  0x1.5a2936349a624p-4,
    -0x1.c2029c8325633p-4, 0x1.783ba48ebe129p-4,  -0x1.d5c7dafce80a7p-5,  0x1.ba063439b7b56p-6,
    -0x1.21a2f28a7c1c0p-7, 0x1.65aa1d923fcafp-10, 0x1.8f02cd42e2f7ep-12,  -0x1.23d93eb80e842p-12,
    0x1.131f13b47575ep-15, 0x1.e0daa871bcbc0p-16, -0x1.e4bbb51502046p-18, -0x1.9a79a0d762c9bp-19,
};
// (1 + sqrt2 a) exp(a^2 / 2) erfc(a / sqrt2): error below 2^-64.45.
inline constexpr double mills_long[] = {
    0x1.3cfc0d6efcf31p+0,  -0x1.1f443e9c43b40p-3, 0x1.a6f40eaaaab0dp-10,  0x1.5a2936ce0fd71p-4,
    -0x1.c2029dbdff80dp-4, 0x1.783b9a1a57b8dp-4,  -0x1.d5c7c96ba6e4ep-5,  0x1.ba077a95980c2p-6,
    -0x1.21a3674f5b547p-7, 0x1.6557a0464bcf0p-10, 0x1.8eafe32947916p-12,  -0x1.210c946fdcbd3p-12,
    0x1.1fe6f71b47facp-15, 0x1.afccd622cafa8p-16, -0x1.472ef1340af22p-17, -0x1.f3ca4cdf834dap-20,
    0x1.b933a41d2f4d4p-20, 0x1.bdb46b4745d20p-24, -0x1.17d6daea3f551p-22, -0x1.352d4b4d52652p-28,
    0x1.6d51706bbbe39p-25, 0x1.80cd0f8733983p-30, -0x1.d3e3dd1c73abdp-28, -0x1.c1a77e3869746p-31,
    0x1.aca68e4c06af7p-31, 0x1.c97c29e83ffa7p-33,
};
inline constexpr double mills_center = 5.25;
inline constexpr Constant sqrt_2 = {0x1.6a09e667f3bcdp+0, -0x1.bdd3413b26456p-54};
inline constexpr Constant inverse_sqrt_2_pi = {0x1.9884533d43651p-2, -0x1.cbc0d30ebfd15p-56};
inline constexpr Constant sqrt_8_over_pi = {0x1.9884533d43651p+0, -0x1.cbc0d30ebfd15p-54};
inline constexpr Constant tanh_cubic = {0x1.2444f2a4d8b4bp-4, -0x1.6c843a29d1c70p-61};
inline constexpr Constant tanh_cubic_slope = {0x1.b6676bf7450f0p-3, 0x1.bba7351828aabp-57};
inline constexpr Constant selu_scale = {0x1.0cfabd6a91132p+0, 0x1.6fc7d272f2695p-55};
inline constexpr Constant selu_scale_alpha = {0x1.c212cc640f031p+0, 0x1.05161b045a1fep-56};

// Near their roots the slopes are (x - root) times a polynomial in x - root.high.
inline constexpr Constant silu_root = {-0x1.474973c84120bp+0, -0x1.f8d74bc9ac154p-54};
inline constexpr double silu_radius = 0.0625;
// the slope of silu over x - root: error below 2^-67.02.
inline constexpr double silu_slope[] = {
    0x1.be1410460527fp-3,   0x1.2c563458cc0adp-3,   0x1.353eb573ca46bp-6,  -0x1.f2d0e32bc29b2p-7,
    -0x1.b0f82c49b64a0p-8,  0x1.098e92bcc8575p-13,  0x1.a2a7ce4ec7a2bp-11, 0x1.8574c673f167ep-13,
    -0x1.576126a24a1d5p-15, -0x1.f276332ed66abp-16,
};
inline constexpr Constant gelu_root = {-0x1.80ead197f00b4p-1, 0x1.13e74c58cada8p-56};
inline constexpr double gelu_radius = 0.25;
// the slope of gelu over x - root: error below 2^-68.42.
inline constexpr double gelu_slope[] = {
    0x1.b9d98fa5a3215p-2,   0x1.8d9a941de3ac5p-2,  -0x1.2a2ef9bb865afp-6, -0x1.d2fa4c17c7e84p-4,
    -0x1.e4088244f8f0dp-7,  0x1.3e346def41f94p-6,  0x1.297b9d6fee9bfp-8,  -0x1.258a6d8546671p-9,
    -0x1.8680f73ba5ac2p-11, 0x1.86c8637089644p-13, 0x1.6960f8281be3ap-14, -0x1.784a70ded327ep-17,
    -0x1.03f5db8ca318dp-17, 0x1.d04fab0ae096dp-22, 0x1.2d20120368835p-21,
};
inline constexpr Constant gelu_tanh_root = {-0x1.81429f9e97e4dp-1, 0x1.4f523ed77dbdcp-55};
inline constexpr double gelu_tanh_radius = 0.0625;
// the slope of gelu_tanh over x - root: error below 2^-67.62.
inline constexpr double gelu_tanh_slope[] = {
    0x1.b8bacd2c96b91p-2,   0x1.8cd1a2b2fff33p-2,  -0x1.029615edb077fp-6, -0x1.d2b773464702dp-4,
    -0x1.104a83edbecf0p-6,  0x1.427996db7483ap-6,  0x1.58c9ed5da63d0p-8,  -0x1.3d8d578267777p-9,
    -0x1.e63e7fe55b99ep-11, 0x1.145adaa230032p-12, 0x1.0362979c7cbb5p-13,
};
inline constexpr Constant mish_root = {-0x1.31432c0d12d84p+0, -0x1.bf319154da210p-55};
inline constexpr double mish_radius = 0.0625;
// the slope of mish over x - root: error below 2^-68.58.
inline constexpr double mish_slope[] = {
    0x1.115acb42500bbp-2,  0x1.a34a251d8ad7bp-3,   0x1.574f121a868dap-5,   -0x1.4c222fe64d402p-6,
    -0x1.03369d4ac801dp-6, -0x1.b87ddfb7d4a64p-9,  0x1.1e5e1823b0a9fp-10,  0x1.03799df66a736p-10,
    0x1.0a79ecda20b5dp-12, -0x1.618e3d3210dbdp-15, -0x1.d5ffc69ffba37p-15,
};

}  // namespace unitgain::simd::UNITGAIN_VARIANT
