#include "linalg/gram_pinv.hpp"

#include "linalg/certificate.hpp"
#include "ops/gemm.hpp"

namespace unitgain::linalg {

template <class S>
GramPinv carve_gram_pinv(Carver& carver, Index rows, Index cols, int threads) {
  return {carve_gram<S>(carver, rows, cols, 0, threads), carve_gram_inverse(carver, cols, threads)};
}

template <class S>
bool invert_by_gram(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                    double rcond, const GramPinv& workspace) {
  if (is_hopeless(team, a, largest_gram_condition<S>, workspace.gram, workspace.inverse))
    return false;
  multiply_by_itself(team, a, workspace.gram);
  if (!find_triangle(team, workspace.gram)) return false;
  const double bound = invert(team, workspace.gram, workspace.inverse);
  if (!is_certain_by_gram<S>(bound, rcond)) return false;
  multiply_rows(team, a, workspace.inverse.inverse, ops::transposed(out), workspace.gram);
  return true;
}

#define UNITGAIN_INSTANTIATE(S)                                                             \
  template GramPinv carve_gram_pinv<S>(Carver&, Index, Index, int);                         \
  template bool invert_by_gram<S>(const runtime::Team&, MatrixView<const S>, MatrixView<S>, \
                                  double, const GramPinv&);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::linalg
