// The matrix product.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain {

template <class T>
struct MatmulOptions {
  T alpha = 1;
  T beta = 0;
  const T* bias = nullptr;  // one value per column of C, added to every row
  ActivationSpec activation = {};
};

// C = activation(alpha A B + beta C + bias), for float and double. Any strides; C may overlap A and
// B. C is not read when beta is 0. The bits do not depend on the number of threads. Throws
// ValueError when the shapes do not fit.
template <class T>
void matmul(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c,
            const MatmulOptions<T>& options = {});

}  // namespace unitgain
