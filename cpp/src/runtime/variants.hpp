// The variants that the build has, older CPUs first. UNITGAIN_VARIANTS(X, ...) is, for each,
// X(variant, the one whose tables it takes where its own would be the same, ...).
#pragma once

#if UNITGAIN_HAS_BASELINE
#define UNITGAIN_BASELINE(X, ...) X(baseline, baseline __VA_OPT__(, ) __VA_ARGS__)
#else
#define UNITGAIN_BASELINE(X, ...)
#endif
#if UNITGAIN_HAS_AVX2
#define UNITGAIN_AVX2(X, ...) X(avx2, avx2 __VA_OPT__(, ) __VA_ARGS__)
#else
#define UNITGAIN_AVX2(X, ...)
#endif
#if UNITGAIN_HAS_AVX512
#define UNITGAIN_AVX512(X, ...) X(avx512, avx512 __VA_OPT__(, ) __VA_ARGS__)
#else
#define UNITGAIN_AVX512(X, ...)
#endif
#if UNITGAIN_HAS_AMX
#define UNITGAIN_AMX(X, ...) X(amx, avx512 __VA_OPT__(, ) __VA_ARGS__)
#else
#define UNITGAIN_AMX(X, ...)
#endif

#define UNITGAIN_VARIANTS(X, ...)   \
  UNITGAIN_BASELINE(X, __VA_ARGS__) \
  UNITGAIN_AVX2(X, __VA_ARGS__) UNITGAIN_AVX512(X, __VA_ARGS__) UNITGAIN_AMX(X, __VA_ARGS__)
