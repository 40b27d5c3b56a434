// The matrix product.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "unitgain/activation.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

template <class T>
struct MatmulOptions {
  T alpha = 1;
  T beta = 0;
  const T* bias = nullptr;  // one value per column of C, added to every row
  ActivationSpec activation = {};
  std::optional<Precision> precision = {};  // of float; none: float32_matmul_precision()
};

// C = activation(alpha A B + beta C + bias), for float and double. Any strides; C may overlap A and
// B. C is not read when beta is 0. The bits do not depend on the number of threads. Throws
// ValueError when the shapes do not fit.
template <class T>
void matmul(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c,
            const MatmulOptions<T>& options = {});

// One product of a stack.
template <class T>
struct MatmulOperands {
  const T* a;
  const T* b;
  T* c;
};

// Product i of a stack is that of the three views with the data pointers of `stack[i]`; all have
// the views' shapes and strides. No C may overlap another C or any operand.
template <class T>
void matmul(const MatrixView<const T>& a, const MatrixView<const T>& b, const MatrixView<T>& c,
            std::span<const MatmulOperands<T>> stack, const MatmulOptions<T>& options = {});

// A right operand, packed once and multiplied often: a copy of B in the order in which the kernels
// read it, in a precision that is chosen now (none: float32_matmul_precision(); of double always
// highest). May be shared between threads.
template <class T>
class PackedMatrix {
 public:
  explicit PackedMatrix(const MatrixView<const T>& b, std::optional<Precision> precision = {});
  ~PackedMatrix();
  PackedMatrix(PackedMatrix&&) noexcept;
  PackedMatrix& operator=(PackedMatrix&&) noexcept;

  Index rows() const;
  Index cols() const;
  Precision precision() const;
  Index bytes() const;  // of memory

  // The matrix that the products use: B, or B rounded to what is kept of it.
  void unpack(const MatrixView<T>& b) const;

  struct Content;
  const Content& content() const { return *content_; }

 private:
  std::unique_ptr<const Content> content_;
};

// As the product of views; options.precision is not looked at.
template <class T>
void matmul(const MatrixView<const T>& a, const PackedMatrix<T>& b, const MatrixView<T>& c,
            const MatmulOptions<T>& options = {});

}  // namespace unitgain
