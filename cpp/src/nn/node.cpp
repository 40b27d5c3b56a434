#include "nn/node.hpp"

#include <algorithm>

#include "base/shape_text.hpp"
#include "unitgain/error.hpp"

namespace unitgain::nn {

template <class T>
void Operation<T>::copy_parameter(ParameterPtr<T>& parameter) {
  if (parameter == nullptr) return;
  auto copy = std::make_shared<Parameter<T>>(parameter->name(), parameter->shape());
  std::copy_n(parameter->data(), parameter->size(), copy->data());
  parameter = std::move(copy);
}

template <class T>
void check_vector(const ParameterPtr<T>& parameter, const char* name, Index features,
                  bool optional) {
  if (parameter == nullptr) {
    if (optional) return;
    throw ValueError(std::string(name) + " is missing");
  }
  if (parameter->size() != features) {
    throw ValueError(std::string(name) + " has shape " + base::shape_text(parameter->shape()) +
                     ", but x has " + std::to_string(features) + " features");
  }
}

namespace {

#define UNITGAIN_ROW(kind) #kind,
constexpr std::string_view names[] = {UNITGAIN_NODE_KINDS(UNITGAIN_ROW)};
#undef UNITGAIN_ROW

// The row of a kind; that behind the last if there is none.
std::size_t row_of(std::string_view kind) {
  return static_cast<std::size_t>(std::find(std::begin(names), std::end(names), kind) -
                                  std::begin(names));
}

}  // namespace

std::span<const std::string_view> kinds() {
  return names;
}

bool has_kind(std::string_view kind) {
  return row_of(kind) < std::size(names);
}

template <class T>
std::shared_ptr<Operation<T>> make_operation(std::string_view kind) {
#define UNITGAIN_ROW(kind) make_##kind<T>,
  static constexpr std::shared_ptr<Operation<T>> (*makers[])() = {
      UNITGAIN_NODE_KINDS(UNITGAIN_ROW)};
#undef UNITGAIN_ROW
  if (has_kind(kind)) return makers[row_of(kind)]();
  std::string message = "unknown node kind '" + std::string(kind) + "', expected one of ";
  for (const auto& name : names) {
    message.append(&name == std::begin(names) ? "" : ", ").append(name);
  }
  throw ValueError(message);
}

template class Operation<float>;
template class Operation<double>;
template void check_vector(const ParameterPtr<float>&, const char*, Index, bool);
template void check_vector(const ParameterPtr<double>&, const char*, Index, bool);
template std::shared_ptr<Operation<float>> make_operation(std::string_view);
template std::shared_ptr<Operation<double>> make_operation(std::string_view);

}  // namespace unitgain::nn
