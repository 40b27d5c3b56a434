#include "ops/merge.hpp"

namespace unitgain::ops {

namespace {

template <class T>
bool is_chosen(T x, T y) {
  return (x == y) | (x != x);
}

}  // namespace

template <class T>
void multiply(const T* x, const T* y, T* product, Index n) {
  for (Index i = 0; i < n; ++i) product[i] = x[i] * y[i];
}

template <class T>
void maximum(const T* x, const T* y, T* larger, Index n) {
  for (Index i = 0; i < n; ++i) larger[i] = (x[i] > y[i]) | (x[i] != x[i]) ? x[i] : y[i];
}

template <class T>
void minimum(const T* x, const T* y, T* smaller, Index n) {
  for (Index i = 0; i < n; ++i) smaller[i] = (x[i] < y[i]) | (x[i] != x[i]) ? x[i] : y[i];
}

template <class T>
void count_equal(const T* x, const T* y, T* counts, Index n) {
  for (Index i = 0; i < n; ++i) counts[i] += is_chosen(x[i], y[i]) ? T{1} : T{0};
}

template <class T>
void share_equal(const T* x, const T* y, const T* counts, const T* upstream, T* gradient, Index n) {
  for (Index i = 0; i < n; ++i) {
    const T share = upstream[i] / counts[i];
    gradient[i] = is_chosen(x[i], y[i]) ? share : T{0};
  }
}

#define UNITGAIN_INSTANTIATE(T)                             \
  template void multiply(const T*, const T*, T*, Index);    \
  template void maximum(const T*, const T*, T*, Index);     \
  template void minimum(const T*, const T*, T*, Index);     \
  template void count_equal(const T*, const T*, T*, Index); \
  template void share_equal(const T*, const T*, const T*, const T*, T*, Index)
UNITGAIN_INSTANTIATE(float);
UNITGAIN_INSTANTIATE(double);
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
