#include "ops/gemm_blocks.hpp"

#include "base/aligned_buffer.hpp"
#include "runtime/cache_sizes.hpp"

namespace unitgain::ops {

// A panel of A and a panel of B, kc deep, take at most a quarter of the second-level cache: the
// micro-kernel reads some 10 bytes a cycle, which that cache gives, and a deep block loads and
// stores C seldom (measured on Zen 5 with 1 MB: kc = 1024 is 10 to 15% faster at n = 2048 than
// kc = 256, whose panels would fit the first level). A thread's block of A takes another quarter,
// the team's block of B half of the third level but no more than what is worth its memory.
Blocks choose_blocks(const TileShape& tile, Index m, Index n, Index k) {
  constexpr Index least_depth = 128, greatest_block = 8 << 20;
  const runtime::CacheSizes caches = runtime::cache_sizes();
  const Index quarter = caches.second / 4;
  const Index depth = round_up(
      std::clamp(quarter / ((tile.mr + tile.nr) * tile.value_bytes), least_depth, tile.most_depth),
      tile.depth_step);
  Blocks blocks;
  const Index count = std::max<Index>(1, ceil_div(k, depth));
  blocks.kc = round_up(std::max<Index>(1, ceil_div(k, count)), tile.depth_step);
  const Index line = blocks.kc * tile.value_bytes;
  blocks.mc = std::min(round_up(std::max(tile.mr, quarter / line), tile.mr), round_up(m, tile.mr));
  const Index wide = std::min(greatest_block, caches.third / 2) / line;
  blocks.nc = std::min(round_up(std::max(tile.nr, wide), tile.nr), round_up(n, tile.nr));
  return blocks;
}

Share share_grid(const runtime::Team& team, int row_parts, Index row_panels, Index col_panels) {
  const int rank = team.rank();
  return {runtime::Team::share(rank % row_parts, row_parts, row_panels),
          runtime::Team::share(rank / row_parts, team.size() / row_parts, col_panels)};
}

Share share_tiles(const runtime::Team& team, Index row_panels, Index col_panels, bool tall) {
  const auto largest = [&](int rows) {
    return ceil_div(row_panels, rows) * ceil_div(col_panels, team.size() / rows);
  };
  Index least = largest(1);
  for (int rows = 2; rows <= team.size(); ++rows) {
    if (team.size() % rows == 0) least = std::min(least, largest(rows));
  }
  // Members that share rows of C write to the same cache lines where their columns meet, row after
  // row: that costs more than a share that is larger by an eighth.
  const Index bearable = tall ? least + least / 8 : least;
  int best_rows = 1;
  for (int rows = 1; rows <= team.size(); ++rows) {
    if (team.size() % rows != 0 || largest(rows) > bearable) continue;
    best_rows = rows;
    if (!tall) break;
  }
  return share_grid(team, best_rows, row_panels, col_panels);
}

Index line_bytes(Index bytes) {
  return round_up(bytes, static_cast<Index>(base::cache_line));
}

}  // namespace unitgain::ops
