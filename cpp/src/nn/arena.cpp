#include "nn/arena.hpp"

#include <algorithm>
#include <numeric>

#include "base/aligned_buffer.hpp"

namespace unitgain::nn {

namespace {

Index whole_lines(Index bytes) {
  constexpr auto line = static_cast<Index>(base::cache_line);
  return (bytes + line - 1) / line * line;
}

}  // namespace

// Largest first, each at the lowest place where no buffer alive at the same time lies.
Arena place(const std::vector<Lifetime>& buffers) {
  std::vector<std::size_t> by_size(buffers.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::erase_if(by_size, [&](std::size_t i) { return buffers[i].last < buffers[i].first; });
  std::sort(by_size.begin(), by_size.end(), [&](std::size_t a, std::size_t b) {
    return buffers[a].bytes != buffers[b].bytes ? buffers[a].bytes > buffers[b].bytes : a < b;
  });

  Arena arena{std::vector<Index>(buffers.size(), 0), 0};
  std::vector<Index>& offsets = arena.offsets;
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t id : by_size) {
    const Lifetime& buffer = buffers[id];
    const Index bytes = whole_lines(buffer.bytes);
    Index offset = 0;
    for (const std::size_t other : placed) {
      if (buffers[other].last < buffer.first || buffer.last < buffers[other].first) continue;
      if (offset + bytes <= offsets[other]) break;
      offset = std::max(offset, offsets[other] + whole_lines(buffers[other].bytes));
    }
    offsets[id] = offset;
    arena.bytes = std::max(arena.bytes, offset + bytes);
    const auto position = std::find_if(placed.begin(), placed.end(),
                                       [&](std::size_t other) { return offsets[other] > offset; });
    placed.insert(position, id);
  }
  return arena;
}

}  // namespace unitgain::nn
