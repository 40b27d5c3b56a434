// The pseudoinverse of a tall matrix by the product with itself.
#pragma once

#include "linalg/gram.hpp"

namespace unitgain::linalg {

struct GramPinv {
  GramWorkspace gram;
  GramInverse inverse;
};

template <class S>
GramPinv carve_gram_pinv(Carver& carver, Index rows, Index cols, int threads);

// (A^T A)^-1 A^T of a tall matrix, in double, if it is as good as the pseudoinverse by singular
// values; false, and nothing of use written, if not, or if A has entries that are not finite. Ends
// with a barrier unless false.
template <class S>
bool invert_by_gram(const runtime::Team& team, MatrixView<const S> a, MatrixView<S> out,
                    double rcond, const GramPinv& workspace);

}  // namespace unitgain::linalg
