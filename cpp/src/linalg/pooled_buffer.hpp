// Memory that outlives calls of other operations, which take the thread's workspace.
#pragma once

#include <cstddef>

#include "runtime/buffer_pool.hpp"

namespace unitgain::linalg {

class PooledBuffer {
 public:
  explicit PooledBuffer(Index bytes)
      : data_(runtime::take_buffer(bytes, "the workspace of least squares")), bytes_(bytes) {}
  PooledBuffer(const PooledBuffer&) = delete;
  PooledBuffer& operator=(const PooledBuffer&) = delete;
  ~PooledBuffer() { runtime::give_back_buffer(data_, bytes_); }
  std::byte* data() const { return data_; }

 private:
  std::byte* data_;
  Index bytes_;
};

}  // namespace unitgain::linalg
