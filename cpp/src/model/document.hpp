// A model as a file has it: the graph of native nodes with its arrays, and what inputs and outputs
// are called.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/safetensors.hpp"
#include "unitgain/graph.hpp"
#include "unitgain/model.hpp"

namespace unitgain::model {

struct Document {
  ElementType dtype;
  GraphDescription graph;
  std::vector<ModelTensor> inputs, outputs;
  std::uint64_t step = 0;  // of the random numbers of nodes that draw in inference, too
  // Of matrices of 8 bits, the arrays of their columns' scales.
  std::map<std::string, std::string> scales = {};
};

// What is inputs' or outputs' number i called if nobody says: "input", "input_1" ...
std::string default_name(const char* what, std::size_t i);

// Throws ValueError, which says what is wrong.
Document document_of(const TensorFile& file);

// An array as a parameter: in its place in the file, or a copy where dtype or alignment differ.
// Matrices of 8 bits are expanded, or with `as_int8` stay what they are.
template <class T>
ParameterPtr<T> parameter_of(const TensorFile& file, const Document& document,
                             const std::string& name, bool as_int8);

// The inputs and outputs of a graph with these names and shapes; ValueError if they do not fit, or
// the graph is none. Without any, they have default names and the shapes of the nodes.
void check_tensors(std::vector<ModelTensor>& tensors, const std::vector<SampleShape>& shapes,
                   const char* what);

// The texts of a file with this graph and arrays, the digest among them.
std::map<std::string, std::string> texts_of(const Document& document,
                                            const std::map<std::string, Tensor>& arrays);

}  // namespace unitgain::model
