// The digest by which Python knows that a file is as it was written.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace unitgain::model {

// SHA-256: FIPS 180-4, 6.2.
class Sha256 {
 public:
  void update(std::span<const std::byte> bytes);
  void update(const std::string& text) { update(std::as_bytes(std::span(text))); }
  // In hexadecimal digits. The last call.
  std::string digest();

 private:
  void block(const std::byte* bytes);

  std::array<std::uint32_t, 8> hash_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> rest_ = {};
  std::uint64_t length_ = 0;  // bytes so far
};

}  // namespace unitgain::model
