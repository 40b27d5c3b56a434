// Few random sums of the rows of a tall matrix, with signs: they have nearly its singular values
// and its row space. Woodruff, "Sketching as a tool for numerical linear algebra", 2014; as a
// preconditioner, Rokhlin and Tygert, "A fast randomized algorithm for overdetermined linear
// least-squares regression", 2008.
#pragma once

#include "linalg/columns.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::linalg {

// How many sums there are: a power of two, at least twice the columns.
Index sketch_rows(Index cols);

// The buffer of one thread, in doubles.
Index sketch_scratch(Index cols);

// sums = the sketch of A, sketch_rows() of it, row by row; the same in every run. Ends with a
// barrier.
template <class S>
void find_sums(const runtime::Team& team, const MatrixView<const S>& a,
               const MatrixView<double>& sums, double* scratch);

}  // namespace unitgain::linalg
