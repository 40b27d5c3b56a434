#include "model/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/aligned_buffer.hpp"
#include "base/json_text.hpp"
#include "base/shape_text.hpp"
#include "base/system.hpp"
#include "model/json.hpp"
#include "unitgain/error.hpp"

namespace unitgain::model {

namespace {

// What the safetensors library takes at most, too.
constexpr std::uint64_t longest_header = 100'000'000;
constexpr std::size_t most_axes = 32;

struct Dtype {
  std::string_view name;
  Index bytes;
};
constexpr Dtype dtypes[] = {{"BOOL", 1}, {"U8", 1},   {"I8", 1},  {"U16", 2}, {"I16", 2},
                            {"F16", 2},  {"BF16", 2}, {"U32", 4}, {"I32", 4}, {"F32", 4},
                            {"U64", 8},  {"I64", 8},  {"F64", 8}};

Index element_bytes(const std::string& dtype, const std::string& what) {
  for (const Dtype& known : dtypes) {
    if (known.name == dtype) return known.bytes;
  }
  throw ValueError(what + " has the dtype '" + dtype + "', which safetensors files do not have");
}

std::vector<Index> sizes(const Json& json, const std::string& what) {
  std::vector<Index> found;
  for (const Json& one : json.array(what)) {
    found.push_back(one.integer("a size of " + what));
    if (found.back() < 0) throw ValueError(what + " has a size below 0");
  }
  return found;
}

// The bytes of an array of that shape; none if they are more than `most`.
std::optional<Index> array_bytes(const std::vector<Index>& shape, Index bytes, Index most) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  for (const Index size : shape) {
    if (size > most / bytes) return std::nullopt;
    bytes *= size;
  }
  return bytes;
}

Tensor tensor(const std::string& name, const Json& entry, std::span<std::byte> data) {
  const std::string what = "the array '" + name + "'";
  if (entry.object(what).size() != 3) {
    throw ValueError(what + " has more in the header than dtype, shape and data_offsets");
  }
  Tensor made;
  made.dtype = entry.at("dtype", what).text("the dtype of " + what);
  made.shape = sizes(entry.at("shape", what), "the shape of " + what);
  if (made.shape.size() > most_axes) throw ValueError(what + " has too many axes");
  const auto offsets = sizes(entry.at("data_offsets", what), "data_offsets of " + what);
  const auto available = static_cast<Index>(data.size());
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > available) {
    throw ValueError(what + " does not lie within the " + std::to_string(available) +
                     " bytes of all arrays");
  }
  const Index bytes = offsets[1] - offsets[0];
  if (array_bytes(made.shape, element_bytes(made.dtype, what), available) != bytes) {
    throw ValueError(what + " of shape " + base::shape_text(made.shape) + " and " + made.dtype +
                     " does not fill " + std::to_string(bytes) + " bytes");
  }
  made.bytes = data.subspan(static_cast<std::size_t>(offsets[0]), static_cast<std::size_t>(bytes));
  return made;
}

// Throws ValueError if the arrays overlap, or leave bytes between or behind them.
void check_cover(const std::map<std::string, Tensor>& tensors, std::span<std::byte> data) {
  std::vector<std::span<std::byte>> places;
  for (const auto& [name, one] : tensors) places.push_back(one.bytes);
  std::sort(places.begin(), places.end(), [](const auto& a, const auto& b) {
    return a.data() != b.data() ? a.data() < b.data() : a.size() < b.size();
  });
  const std::byte* at = data.data();
  for (const auto& place : places) {
    if (place.data() != at) {
      throw ValueError(std::string("two arrays ") +
                       (place.data() < at ? "overlap" : "have a gap between them"));
    }
    at += place.size();
  }
  if (at != data.data() + data.size()) throw ValueError("bytes follow the last array");
}

}  // namespace

Bytes mapped(const std::filesystem::path& path) {
  const std::span<std::byte> bytes = base::map_file(path);
  return {bytes, std::shared_ptr<void>(bytes.data(), [=](void*) { base::unmap_file(bytes); })};
}

Bytes copied(std::span<const std::byte> bytes) {
  auto buffer = std::make_shared<base::AlignedBuffer<std::byte>>(static_cast<Index>(bytes.size()),
                                                                 "a model's file");
  if (!bytes.empty()) std::memcpy(buffer->data(), bytes.data(), bytes.size());
  return {{buffer->data(), bytes.size()}, buffer};
}

TensorFile read(const Bytes& content) {
  const std::span<std::byte> bytes = content.bytes;
  if (bytes.size() < 8) {
    throw ValueError("there are " + std::to_string(bytes.size()) +
                     " bytes, too few for the length of a header");
  }
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) {
    length = length << 8 | std::to_integer<std::uint64_t>(bytes[static_cast<std::size_t>(i)]);
  }
  if (length > std::min<std::uint64_t>(bytes.size() - 8, longest_header)) {
    throw ValueError("by its first bytes the header has " + std::to_string(length) + " bytes, of " +
                     std::to_string(bytes.size()) +
                     " that there are: this is no safetensors file, or a part of one");
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, length);
  const Json header = Json::parse(text, "the header");
  const std::span<std::byte> data = bytes.subspan(8 + length);
  TensorFile file;
  file.memory = content.memory;
  for (const auto& [name, value] : header.object("the header")) {
    if (name == "__metadata__") {
      for (const auto& [key, held] : value.object(name)) file.texts[key] = held.text(key);
    } else {
      file.tensors[name] = tensor(name, value, data);
    }
  }
  check_cover(file.tensors, data);
  return file;
}

std::string header(const std::map<std::string, std::string>& texts,
                   const std::map<std::string, Tensor>& tensors) {
  std::string made = "{\"__metadata__\":" + base::json_object(texts);
  std::size_t at = 0;
  for (const auto& [name, one] : tensors) {
    made.append(",").append(base::json(name));
    made.append(":{\"dtype\":").append(base::json(one.dtype));
    made.append(",\"shape\":").append(base::json_array(one.shape));
    made.append(",\"data_offsets\":[").append(std::to_string(at));
    at += one.bytes.size();
    made.append(",").append(std::to_string(at)).append("]}");
  }
  made += '}';
  made.resize((made.size() + 7) / 8 * 8, ' ');  // so that the arrays begin at a multiple of 8
  std::string prefix;
  for (int i = 0; i < 8; ++i) prefix += static_cast<char>(made.size() >> (8 * i) & 0xff);
  return prefix + made;
}

}  // namespace unitgain::model
