// Models in files: what Python's model.save() wrote is loaded and run, and what a program has
// trained is written so that Python's load_model() reads it.
#pragma once

#include <concepts>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "unitgain/samples.hpp"
#include "unitgain/types.hpp"

namespace unitgain {

template <class T>
class Network;

// An input or an output of a model: its name in Python, and the shape of one sample.
struct ModelTensor {
  std::string name;
  std::vector<Index> shape;
  Index size;  // the values of a sample: the columns of its arrays
};

// Where outputs go: one sample a row, the rows one behind the other.
struct OutputArray {
  template <std::floating_point T>
  OutputArray(T* outputs, Index row_count, Index col_count)
      : data(outputs), type(element_type_of<T>()), rows(row_count), cols(col_count) {}

  void* data;
  ElementType type;
  Index rows;
  Index cols;
};

// What a loaded model is for: with the defaults, to be run and trained.
struct LoadOptions {
  // Packs the weights of dense layers, as Network::frozen does: the model runs faster, and is for
  // inference alone.
  bool packed = false;
  std::optional<Precision> precision = {};  // of packed weights; none: float32_matmul_precision()
  // The same with weights of 8 bits, of a float32 model, to the bit what Python's
  // optimize_for_inference("int8") makes. Those of a file saved with weights_dtype="int8" are never
  // expanded.
  bool int8 = false;
};

// A model that runs. Any number of threads may call one at once: no prediction waits for another,
// and none allocates memory once there was one with as many rows on as many threads at a time.
class Model {
 public:
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  // Of weights and outputs: float32 or float64.
  ElementType dtype() const;
  const std::vector<ModelTensor>& inputs() const;
  const std::vector<ModelTensor>& outputs() const;

  // y = the outputs for the samples x, to the bit what Python's model(x) returns on the same
  // instruction set, or with a batch size what predict(x, batch_size) returns: so many samples at a
  // time (0: all). Inputs of any element type are converted. ValueError for shapes that do not fit,
  // and TypeError for outputs of another dtype.
  void predict(const SampleArray& x, const OutputArray& y, Index batch_size = 0) const {
    predict(std::span(&x, 1), std::span(&y, 1), batch_size);
  }
  void predict(std::span<const SampleArray> x, std::span<const OutputArray> y,
               Index batch_size = 0) const;

  // The network, to be trained or packed (Network::frozen). TypeError if T is not the dtype.
  template <class T>
  Network<T>& network() const;

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  friend Model load_model(const std::filesystem::path& path, const LoadOptions& options);
  friend Model load_model(std::span<const std::byte> content, const LoadOptions& options);
  std::unique_ptr<State> state_;
};

// The model of a file of Python's model.save(), or of save_model(). Its pages are mapped and read
// when they are first used: weights of the model's dtype stay where they are in the file, if they
// lie at a multiple of their size, as Python writes them; others, and those of F16, BF16 and I8,
// are copied. Replace the file if you must (as save() does), do not write into it.
// std::system_error if it cannot be read; ValueError, which says what is wrong, if it holds no
// model, or one with layers written in Python. The digest of the contents, for which all pages have
// to be read, is Python's to check.
Model load_model(const std::filesystem::path& path, const LoadOptions& options = {});
// The same of a file's contents in memory, which are copied.
Model load_model(std::span<const std::byte> content, const LoadOptions& options = {});

// Writes a network as a model of that file format; the file appears whole or not at all. Python's
// load_model() makes a model of it that predicts the same, to be compiled and trained further;
// what the optimizer keeps is not written. Inputs and outputs have those names, or by default
// input, input_1, ... and output, output_1, ... ValueError if there are not as many names, or a
// node is a custom operation; std::system_error if the file cannot be written.
struct ModelNames {
  std::vector<std::string> inputs = {}, outputs = {};
};
template <class T>
void save_model(const std::filesystem::path& path, const Network<T>& network,
                const ModelNames& names = {});

}  // namespace unitgain
