// Tuned constants of the product: which path it takes, how it is cut, and what that costs. Measured
// on Zen 5 (EPYC, 1 MB of second-level cache a core) unless something else is said;
// `python -m unitgain.benchmarks --suite products` shows most of it. What belongs to one kernel
// (its tile, the sides from which a split kernel pays) stands in that kernel's table in simd/.
//
// Some of these decide in which order sums run: a change of one changes bits, but never with the
// number of threads, which none may depend on.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::ops::tuning {

// ---- a small product, which one thread does at once (gemm.cpp) ----

// Up to that many multiplications, and sides, cutting into shares and packing cost more than the
// product.
inline constexpr Index most_small_work = 56 * 56 * 56;
inline constexpr Index most_small_side = 512;
// A tile of more rows has sums enough that none waits for another.
inline constexpr Index most_waiting_rows = 2;

// ---- the loops around the plain kernels (gemm.cpp) ----

// A is packed only where each of its panels is used this often by a thread: below, copying costs
// more than the wider strides do.
inline constexpr Index least_uses = 8;
// Up to that many rows, a panel of B is read where it lies, packed on the way by its first tile and
// used up at once, while A's panels come from the third-level cache if need be, which they do fast
// enough: 512 by 1024 by 4096 is 5% faster than with B packed first. What a thread packs is its
// own, for lines that one core writes and another reads cost both dearly. Above, blocks of A that
// fit the second level meet a block of B that the team packed.
inline constexpr Index most_rows_at_once = 1024;
// Threads have rows of their own if these are so many at least, or if there are too few columns for
// all, and columns otherwise.
inline constexpr Index least_own_rows = 256;
// A grid with less rows for each must make the largest share smaller by an eighth.
inline constexpr Index share_gain = 8;

// ---- blocks (gemm_blocks.cpp) ----

// A panel of A and a panel of B, kc deep, take at most a quarter of the second-level cache: the
// micro-kernel reads some 10 bytes a cycle, which that cache gives, and a deep block loads and
// stores C seldom (with 1 MB, kc = 1024 is 10 to 15% faster at n = 2048 than kc = 256, whose panels
// would fit the first level). A thread's block of A takes another quarter.
inline constexpr Index second_level_parts = 4;
inline constexpr Index least_block_depth = 128;
inline constexpr Index most_block_depth = 1024;
// The team's block of B takes half of the third level, but no more than what is worth its memory.
inline constexpr Index third_level_parts = 2;
inline constexpr Index most_block_bytes = 8 << 20;
// Threads that share rows of C write to the same cache lines where their columns meet, row after
// row: that costs more than a share that is larger by an eighth.
inline constexpr Index bearable_part = 8;

// ---- results that are small against an operand (gemm_thin.cpp) ----

// Values that leave the second-level cache no room for others: more than half of it.
inline constexpr Index large_parts = 2;

// Dots of rows, where both operands have their depth along memory. Of less depth, adding up the
// lanes of each sum costs more than packing; from more rows on, packing pays.
inline constexpr Index least_dot_depth = 17;
inline constexpr Index most_dot_rows = 32;
inline constexpr Index dot_block_depth = 1024;  // the rows of A stay in the second-level cache
inline constexpr Index dot_grain = 16;          // columns

// Sums of B's rows: the depth in parts of at most so many rows, in a number that is even for most
// teams. Up to so many rows of A in any case, for more keep a tile busy, and gain only where panels
// would be read from afar.
inline constexpr Index most_part_rows = 128;
inline constexpr Index even_parts = 4;
inline constexpr Index most_summed_rows = 2;

// Few columns of a left operand in row order: dots of its rows with copied columns. By the
// multiply-adds of vectors, two a cycle, and by the cycles that go with them.
inline constexpr Index most_dot_cols = 8;
inline constexpr double tile_latency = 4.0;
inline constexpr double fold_cycles = 1.5;   // of a sum's lanes
inline constexpr double store_cycles = 2.0;  // of a tile's row

// Few columns of a left operand in column order: the product of the transposes, turned.
inline constexpr Index most_turned_cols = 24;
inline constexpr Index least_turned_ratio = 4;  // of rows to columns

// A small result of great depth: up to so many tiles, parts of the depth, at most so many.
inline constexpr Index most_deep_tiles = 8;
inline constexpr Index deep_part = 4096;
inline constexpr Index least_deep = 2 * deep_part;
inline constexpr Index most_deep_parts = 16;

// Last columns that would fill little of a vector. Above that many vectors, the one that is mostly
// empty counts for little. Of the transposes' tiles, a step of depth takes as many cycles as they
// have rows or, for latency, four; the result is written, and copied.
inline constexpr Index most_edged_vectors = 16;
inline constexpr Index turned_latency = 4;
inline constexpr Index turned_copies = 2;

// ---- little depth (gemm_shallow.cpp) ----

// Rows of C that stay in the first-level cache until their epilogue; without one, as many as make
// up for the loads of B's.
inline constexpr Index shallow_block_bytes = 1 << 14;

// ---- bfloat16 terms (gemm_split.cpp) ----

// Below, packing both operands costs more than the faster arithmetic saves.
inline constexpr Index least_split_depth = 32;
// A large B comes from memory at some 10 bytes a cycle: 32 x 32 values in 410 cycles, in three
// terms in 614, while the plain kernels take 32 cycles for each row that they multiply with them. A
// model, to be tuned on hardware.
inline constexpr Index most_rows_for_values = 16;

// ---- what a product is worth (matmul.cpp, plans) ----

inline constexpr double flops_per_nanosecond = 30.0;  // of one thread
inline constexpr Index least_work_rows = 2;           // fewer are bound by the reading of B
// Nanoseconds from which on a product of a stack keeps a whole team busy.
inline constexpr double work_of_a_team = 1e6;

}  // namespace unitgain::ops::tuning
