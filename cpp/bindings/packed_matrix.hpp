// A packed matrix of either float type.
#pragma once

#include <span>
#include <utility>
#include <variant>

#include "unitgain/matmul.hpp"

namespace unitgain::bindings {

class AnyPackedMatrix {
 public:
  template <class T>
  explicit AnyPackedMatrix(PackedMatrix<T> matrix) : matrix_(std::move(matrix)) {}

  bool is_float32() const { return std::holds_alternative<PackedMatrix<float>>(matrix_); }
  template <class T>
  const PackedMatrix<T>& as() const {
    return std::get<PackedMatrix<T>>(matrix_);
  }
  template <class Visitor>
  decltype(auto) visit(Visitor&& visitor) const {
    return std::visit(std::forward<Visitor>(visitor), matrix_);
  }

 private:
  std::variant<PackedMatrix<float>, PackedMatrix<double>> matrix_;
};

}  // namespace unitgain::bindings
