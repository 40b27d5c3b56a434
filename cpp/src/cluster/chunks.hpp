// How samples are cut for sums whose order must not depend on the number of threads: into chunks
// whose sums are added up one after the other.
#pragma once

#include <algorithm>

#include "ops/distances.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/parallel.hpp"

namespace unitgain::cluster {

// Enough for as many threads; each costs as much memory as the sums, and an addition of them.
inline constexpr Index most_chunks = 64;

// For sums of `cols` numbers for each cluster: no more memory than a quarter of the samples takes
// in double, unless that is little or would leave threads without a chunk.
inline Index chunk_count(Index rows, Index clusters, Index cols) {
  constexpr Index least_rows = 1024, least_chunks = 8, most_values = 4 << 20;
  const Index affordable = std::max({most_values / std::max<Index>(clusters * cols, 1),
                                     rows / std::max<Index>(4 * clusters, 1), least_chunks});
  return std::clamp<Index>(rows / least_rows, 1, std::min(most_chunks, affordable));
}

inline runtime::Range chunk_rows(Index chunk, Index chunks, Index rows) {
  return runtime::Team::share(chunk, chunks, rows);
}

// Calls body(first, rows) for blocks of at most `most` of a range of rows.
template <class Body>
void for_each_block(runtime::Range range, Index most, Body&& body) {
  for (Index first = range.begin; first < range.end; first += most) {
    body(first, std::min(most, range.end - first));
  }
}

}  // namespace unitgain::cluster
