// Passes over matrices whose rows lie apart; columns have unit stride. Rows are split over the
// team.
#pragma once

#include "runtime/parallel.hpp"
#include "unitgain/types.hpp"

namespace unitgain::ops {

// to = from.
template <class T>
void copy_rows(const runtime::Team& team, const MatrixView<const T>& from, const MatrixView<T>& to);

// to = a + b; `to` may be either.
template <class T>
void add_rows(const runtime::Team& team, const MatrixView<const T>& a, const MatrixView<const T>& b,
              const MatrixView<T>& to);

// gradient = upstream * f', as ops::activation_gradient.
template <class T>
void activation_gradient_rows(const runtime::Team& team, const ActivationSpec& spec,
                              const MatrixView<const T>& saved, const MatrixView<const T>& upstream,
                              const MatrixView<T>& gradient);

}  // namespace unitgain::ops
