#include "ops/gemm_blocks.hpp"

#include "base/aligned_buffer.hpp"
#include "runtime/cache_sizes.hpp"
#include "runtime/workspace.hpp"

namespace unitgain::ops {

Blocks choose_blocks(const TileShape& tile, Index m, Index n, Index k) {
  const runtime::CacheSizes caches = runtime::cache_sizes();
  const Index part = caches.second / tuning::second_level_parts;
  const Index depth = round_up(std::clamp(part / ((tile.mr + tile.nr) * tile.value_bytes),
                                          tuning::least_block_depth, tile.most_depth),
                               tile.depth_step);
  Blocks blocks;
  const Index count = std::max<Index>(1, ceil_div(k, depth));
  blocks.kc = round_up(std::max<Index>(1, ceil_div(k, count)), tile.depth_step);
  const Index line = blocks.kc * tile.value_bytes;
  blocks.mc = std::min(round_up(std::max(tile.mr, part / line), tile.mr), round_up(m, tile.mr));
  const Index wide =
      std::min(tuning::most_block_bytes, caches.third / tuning::third_level_parts) / line;
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
  const Index bearable = tall ? least + least / tuning::bearable_part : least;
  int best_rows = 1;
  for (int rows = 1; rows <= team.size(); ++rows) {
    if (team.size() % rows != 0 || largest(rows) > bearable) continue;
    best_rows = rows;
    if (!tall) break;
  }
  return share_grid(team, best_rows, row_panels, col_panels);
}

int row_parts(const TileShape& tile, Index m, Index n, int team_size) {
  const Index row_panels = ceil_div(m, tile.mr), col_panels = ceil_div(n, tile.nr);
  const auto largest = [&](int parts) {
    return ceil_div(row_panels, parts) * ceil_div(col_panels, team_size / parts);
  };
  int best = 1;
  for (int parts = 2; parts <= team_size; ++parts) {
    if (team_size % parts != 0) continue;
    const bool enough = m >= parts * tuning::least_own_rows && n <= m;
    const Index gain = enough ? 0 : 1;
    if (tuning::share_gain * largest(parts) <= (tuning::share_gain - gain) * largest(best)) {
      best = parts;
    }
  }
  return best;
}

bool is_large(Index values, std::size_t size) {
  return values * static_cast<Index>(size) > runtime::cache_sizes().second / tuning::large_parts;
}

Index line_bytes(Index bytes) {
  return round_up(bytes, static_cast<Index>(base::cache_line));
}

Index panel_bytes(const Blocks& blocks, const TileShape& tile) {
  return runtime::thread_bytes(blocks.kc * tile.nr * tile.value_bytes);
}
Index left_bytes(const Blocks& blocks, const TileShape& tile, Index rows) {
  return runtime::thread_bytes(blocks.kc * round_up(rows, tile.mr) * tile.value_bytes);
}
Index at_once_bytes(const Blocks& blocks, const TileShape& tile, Index rows, int team_size) {
  return team_size * (left_bytes(blocks, tile, rows) + panel_bytes(blocks, tile));
}
Index right_bytes(const Blocks& blocks, const TileShape& tile) {
  return line_bytes(blocks.kc * blocks.nc * tile.value_bytes);
}
Index most_rows(const TileShape& tile, Index m, int row_parts) {
  return ceil_div(ceil_div(m, tile.mr), row_parts) * tile.mr;
}

}  // namespace unitgain::ops
