// Files of the safetensors format: eight bytes with the header's length, a header in JSON that
// gives each array's dtype, shape and place and has texts of the writer's, then the arrays,
// little-endian and in C order, without gaps.
// Source: https://github.com/huggingface/safetensors, "Format".
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "unitgain/types.hpp"

namespace unitgain::model {

struct Tensor {
  std::string dtype;  // F32, BF16 ...
  std::vector<Index> shape;
  std::span<std::byte> bytes;
};

struct TensorFile {
  std::map<std::string, std::string> texts;
  std::map<std::string, Tensor> tensors;
  std::shared_ptr<const void> memory;  // what the tensors lie in
};

// The bytes of a file, mapped; a copy of bytes in memory.
struct Bytes {
  std::span<std::byte> bytes;
  std::shared_ptr<const void> memory;
};
Bytes mapped(const std::filesystem::path& path);
Bytes copied(std::span<const std::byte> bytes);

// Reads the header and checks all of it; nothing of the arrays is touched. Throws ValueError.
TensorFile read(const Bytes& content);

// A file's header; the tensors' bytes follow in the map's order.
std::string header(const std::map<std::string, std::string>& texts,
                   const std::map<std::string, Tensor>& tensors);

}  // namespace unitgain::model
