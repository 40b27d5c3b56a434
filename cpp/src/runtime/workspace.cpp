#include "runtime/workspace.hpp"

namespace unitgain::runtime {

std::byte* thread_workspace(Index bytes, const char* purpose) {
  thread_local base::AlignedBuffer<std::byte> buffer;
  if (buffer.size() < bytes) {
    buffer = {};  // freed first, so that the old and the new are never held together
    buffer = base::AlignedBuffer<std::byte>(bytes, purpose);
  }
  return buffer.data();
}

}  // namespace unitgain::runtime
