// The C interface over unitgain/model.hpp. No exception leaves it.
#include "unitgain/c.h"

#include <array>
#include <exception>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "unitgain/error.hpp"
#include "unitgain/model.hpp"
#include "unitgain/runtime.hpp"

struct unitgain_model {
  unitgain::Model model;
};

namespace {

using unitgain::Index;
using unitgain::ModelTensor;

static_assert(std::is_same_v<Index, std::int64_t>);

thread_local std::string last_error;

unitgain_status fail(unitgain_status status, const char* text) noexcept {
  try {
    last_error = text;
  } catch (...) {
    last_error.clear();
  }
  return status;
}

template <class Call>
unitgain_status guarded(Call&& call) noexcept {
  try {
    call();
    return UNITGAIN_OK;
  } catch (const std::invalid_argument& error) {
    return fail(UNITGAIN_INVALID, error.what());
  } catch (const std::system_error& error) {
    return fail(UNITGAIN_NO_FILE, error.what());
  } catch (const std::bad_alloc& error) {
    return fail(UNITGAIN_NO_MEMORY, error.what());
  } catch (const std::exception& error) {
    return fail(UNITGAIN_FAILED, error.what());
  } catch (...) {
    return fail(UNITGAIN_FAILED, "an unknown error");
  }
}

void require(bool given, const char* name) {
  if (!given) throw unitgain::ValueError(std::string(name) + " is NULL");
}

const ModelTensor* find(const std::vector<ModelTensor>& tensors, std::size_t i) {
  return i < tensors.size() ? &tensors[i] : nullptr;
}

// Of a model that is NULL: none.
const std::vector<ModelTensor>& inputs(const unitgain_model* model) {
  static const std::vector<ModelTensor> none;
  return model == nullptr ? none : model->model.inputs();
}
const std::vector<ModelTensor>& outputs(const unitgain_model* model) {
  return model == nullptr ? inputs(nullptr) : model->model.outputs();
}

const char* name(const ModelTensor* tensor) {
  return tensor == nullptr ? nullptr : tensor->name.c_str();
}

const std::int64_t* shape(const ModelTensor* tensor, std::size_t* rank) {
  if (rank != nullptr) *rank = tensor == nullptr ? 0 : tensor->shape.size();
  return tensor == nullptr ? nullptr : tensor->shape.data();
}

std::int64_t size(const ModelTensor* tensor) {
  return tensor == nullptr ? 0 : tensor->size;
}

// The arrays of a call, without memory of their own for as many as models have.
template <class Array, class Pointer>
class Arrays {
 public:
  Arrays(const std::vector<ModelTensor>& tensors, Pointer const* data, Index rows,
         const char* what) {
    require(data != nullptr, what);
    if (tensors.size() > few_.size()) many_.resize(tensors.size(), none);
    count_ = tensors.size();
    for (std::size_t i = 0; i < count_; ++i) {
      if (rows > 0) require(data[i] != nullptr, what);
      at()[i] = Array(data[i], rows, tensors[i].size);
    }
  }
  std::span<const Array> span() { return {at(), count_}; }

 private:
  Array* at() { return many_.empty() ? few_.data() : many_.data(); }

  static constexpr std::size_t most = 8;
  inline static const Array none{Pointer{}, 0, 0};
  std::array<Array, most> few_ = {none, none, none, none, none, none, none, none};
  std::vector<Array> many_;
  std::size_t count_;
};

template <class T>
unitgain_status predict(const unitgain_model* model, const T* const* x, Index rows,
                        T* const* y) noexcept {
  return guarded([&] {
    require(model != nullptr, "model");
    if (rows < 0) throw unitgain::ValueError("rows is " + std::to_string(rows));
    Arrays<unitgain::SampleArray, const T*> from(model->model.inputs(), x, rows, "x");
    Arrays<unitgain::OutputArray, T*> to(model->model.outputs(), y, rows, "y");
    model->model.predict(from.span(), to.span());
  });
}

template <class Load>
unitgain_status load(unitgain_model** model, Load&& make) noexcept {
  return guarded([&] {
    require(model != nullptr, "model");
    *model = nullptr;
    *model = new unitgain_model{make()};
  });
}

// In UTF-8 on every system.
std::filesystem::path path_of(const char* path) {
  require(path != nullptr, "path");
  const std::string text = path;
  return {std::u8string(text.begin(), text.end())};
}

std::span<const std::byte> content_of(const void* content, size_t bytes) {
  require(content != nullptr, "content");
  return {static_cast<const std::byte*>(content), bytes};
}

unitgain::LoadOptions packed(const char* precision) {
  using unitgain::Precision;
  const std::string name = precision == nullptr ? "highest" : precision;
  if (name == "int8") return {.packed = true, .int8 = true};
  if (name == "highest") return {.packed = true, .precision = Precision::highest};
  if (name == "high") return {.packed = true, .precision = Precision::high};
  if (name == "medium") return {.packed = true, .precision = Precision::medium};
  throw unitgain::ValueError("precision is '" + name + "', expected highest, high, medium or int8");
}

}  // namespace

int unitgain_abi_version(void) {
  return UNITGAIN_ABI_VERSION;
}

const char* unitgain_version(void) {
  return UNITGAIN_VERSION;
}

const char* unitgain_error(void) {
  return last_error.c_str();
}

unitgain_status unitgain_load(const char* path, unitgain_model** model) {
  return load(model, [&] { return unitgain::load_model(path_of(path)); });
}

unitgain_status unitgain_load_bytes(const void* content, size_t bytes, unitgain_model** model) {
  return load(model, [&] { return unitgain::load_model(content_of(content, bytes)); });
}

unitgain_status unitgain_load_packed(const char* path, const char* precision,
                                     unitgain_model** model) {
  return load(model, [&] { return unitgain::load_model(path_of(path), packed(precision)); });
}

unitgain_status unitgain_load_packed_bytes(const void* content, size_t bytes, const char* precision,
                                           unitgain_model** model) {
  return load(model,
              [&] { return unitgain::load_model(content_of(content, bytes), packed(precision)); });
}

void unitgain_free(unitgain_model* model) {
  delete model;
}

int unitgain_bytes_per_value(const unitgain_model* model) {
  if (model == nullptr) return 0;
  return model->model.dtype() == unitgain::ElementType::float32 ? 4 : 8;
}

size_t unitgain_input_count(const unitgain_model* model) {
  return inputs(model).size();
}

const char* unitgain_input_name(const unitgain_model* model, size_t input) {
  return name(find(inputs(model), input));
}

const int64_t* unitgain_input_shape(const unitgain_model* model, size_t input, size_t* rank) {
  return shape(find(inputs(model), input), rank);
}

int64_t unitgain_input_size(const unitgain_model* model, size_t input) {
  return size(find(inputs(model), input));
}

size_t unitgain_output_count(const unitgain_model* model) {
  return outputs(model).size();
}

const char* unitgain_output_name(const unitgain_model* model, size_t output) {
  return name(find(outputs(model), output));
}

const int64_t* unitgain_output_shape(const unitgain_model* model, size_t output, size_t* rank) {
  return shape(find(outputs(model), output), rank);
}

int64_t unitgain_output_size(const unitgain_model* model, size_t output) {
  return size(find(outputs(model), output));
}

unitgain_status unitgain_predict_float(const unitgain_model* model, const float* const* x,
                                       int64_t rows, float* const* y) {
  return predict(model, x, rows, y);
}

unitgain_status unitgain_predict_double(const unitgain_model* model, const double* const* x,
                                        int64_t rows, double* const* y) {
  return predict(model, x, rows, y);
}

unitgain_status unitgain_set_num_threads(int threads) {
  return guarded([&] { unitgain::set_num_threads(threads); });
}
