// The five loops of gemm.cpp around a split kernel: its operands are always packed, and a tile
// whose panels hold values that the terms cannot is done by the plain kernel instead.
#include "ops/gemm_split.hpp"

#include "ops/gemm_epilogue.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/workspace.hpp"
#include "simd/kernels/gemm.hpp"
#include "simd/kernels/split_gemm.hpp"

namespace unitgain::ops {

namespace {

using simd::ExponentRange;
using simd::SplitGemmKernels;

Index panel_bytes(const SplitGemmKernels& kernels, Index width, Index depth) {
  return line_bytes(width * round_up(depth, kernels.depth_step) * 2 * kernels.terms);
}

// Panels of an operand, the first of which starts at a tile's first row or column.
struct Panels {
  std::byte* data;
  ExponentRange* ranges;
};

// Takes memory for workspace of one thread after that of another; `base` may be null, to count.
class Divider {
 public:
  explicit Divider(std::byte* base) : base_(base) {}

  template <class T>
  T* take(Index count) {
    std::byte* part = base_ == nullptr ? nullptr : base_ + used_;
    used_ += line_bytes(count * static_cast<Index>(sizeof(T)));
    return reinterpret_cast<T*>(part);
  }
  Panels take_panels(const SplitGemmKernels& kernels, Index width, Index count, Index depth) {
    auto* data = take<std::byte>(count * panel_bytes(kernels, width, depth));
    return {data, take<ExponentRange>(count)};
  }
  Index used() const { return used_; }

 private:
  std::byte* base_;
  Index used_ = 0;
};

struct Member {
  Panels left;
  float* product;  // of a tile
  float* columns;  // kc x nr values of B, for the plain kernel
};

struct Workspace {
  Workspace(const SplitGemmKernels& kernels, const Blocks& blocks, int rank, bool packed,
            std::byte* base) {
    Divider divider(base);
    if (!packed) {
      right = divider.take_panels(kernels, kernels.nr, ceil_div(blocks.nc, kernels.nr), blocks.kc);
    }
    for (int i = 0; i <= rank; ++i) {
      divider.take<std::byte>(runtime::thread_bytes(0));
      own.left =
          divider.take_panels(kernels, kernels.mr, ceil_div(blocks.mc, kernels.mr), blocks.kc);
      own.product = divider.take<float>(kernels.mr * kernels.nr);
      own.columns = divider.take<float>(blocks.kc * kernels.nr);
    }
    bytes = divider.used();
  }

  Panels right = {};
  Member own;
  Index bytes;
};

class SplitProduct {
 public:
  SplitProduct(const runtime::Team& team, const Gemm<float>& problem, const GemmPlan<float>& plan,
               std::byte* workspace)
      : team_(team),
        problem_(problem),
        kernels_(*plan.size.split),
        plain_(*runtime::kernels<float>().gemm),
        packed_(plan.size.packed),
        blocks_(plan.blocks),
        workspace_(kernels_, blocks_, team.rank(), packed_, workspace) {}

  void run() const {
    const Index m = problem_.c.rows, n = problem_.c.cols;
    bool meets = false;  // whether the team must wait before B's block may be overwritten
    kernels_.begin();
    for (Index first_col = 0; first_col < n; first_col += blocks_.nc) {
      const Index width = std::min(blocks_.nc, n - first_col);
      const Share share =
          share_tiles(team_, ceil_div(m, kernels_.mr), ceil_div(width, kernels_.nr), true);
      for_each_pass(problem_.a.cols, blocks_.kc, [&](const Pass& pass) {
        Panels right;
        if (packed_) {
          right = packed_before(pass, first_col);
        } else {
          if (meets) team_.barrier();
          meets = true;
          pack_right(pass, first_col, width);
          team_.barrier();
          right = workspace_.right;
        }
        multiply_block(pass, share, right, first_col, width);
      });
    }
    kernels_.end();
  }

 private:
  bool is_thin() const {
    return problem_.c.rows > 0 && problem_.c.rows <= simd::most_thin_split_rows;
  }

  Panels packed_before(const Pass& pass, Index col) const {
    const SplitLayout layout(kernels_, problem_.c.cols, problem_.a.cols);
    const PackedOperand& packed = *problem_.packed;
    return {const_cast<std::byte*>(packed.panels) + layout.offset(pass.first, col),
            const_cast<ExponentRange*>(packed.ranges) + layout.panel(pass.first, col)};
  }

  void pack_right(const Pass& pass, Index first_col, Index width) const {
    const Index bytes = panel_bytes(kernels_, kernels_.nr, pass.depth);
    const runtime::Range mine = team_.share(ceil_div(width, kernels_.nr));
    for (Index jp = mine.begin; jp < mine.end; ++jp) {
      const Index col = jp * kernels_.nr, cols = std::min(kernels_.nr, width - col);
      const auto b = block(problem_.b, pass.first, first_col + col, pass.depth, cols);
      kernels_.pack_b(b.data, b.row_stride, b.col_stride, b.rows, b.cols,
                      workspace_.right.data + jp * bytes, workspace_.right.ranges + jp);
    }
  }

  void multiply_block(const Pass& pass, const Share& share, const Panels& right, Index first_col,
                      Index width) const {
    const Index mr = kernels_.mr, nr = kernels_.nr;
    const Index left_bytes = panel_bytes(kernels_, mr, pass.depth);
    const Index right_bytes = panel_bytes(kernels_, nr, pass.depth);
    const auto pack_a = is_thin() ? kernels_.pack_thin_a : kernels_.pack_a;
    const Index last_row = std::min(problem_.c.rows, share.rows.end * mr);
    for (Index row = share.rows.begin * mr; row < last_row; row += blocks_.mc) {
      const Index rows = std::min(blocks_.mc, last_row - row), panels = ceil_div(rows, mr);
      for (Index ip = 0; ip < panels; ++ip) {
        const auto a =
            block(problem_.a, row + ip * mr, pass.first, std::min(mr, rows - ip * mr), pass.depth);
        pack_a(a.data, a.row_stride, a.col_stride, a.rows, a.cols,
               workspace_.own.left.data + ip * left_bytes, workspace_.own.left.ranges + ip);
      }
      for (Index jp = share.cols.begin; jp < share.cols.end; ++jp) {
        const runtime::Range cols{first_col + jp * nr, first_col + std::min(width, (jp + 1) * nr)};
        for (Index ip = 0; ip < panels; ++ip) {
          multiply_tile(
              pass, {row + ip * mr, row + std::min(rows, (ip + 1) * mr)}, cols,
              {workspace_.own.left.data + ip * left_bytes, workspace_.own.left.ranges + ip},
              {right.data + jp * right_bytes, right.ranges + jp});
        }
      }
    }
  }

  void multiply_tile(const Pass& pass, runtime::Range rows, runtime::Range cols, const Panels& a,
                     const Panels& b) const {
    const float beta = pass.first == 0 ? problem_.beta : 1.0F;
    if (pass.depth >= kernels_.least_depth && pass.depth <= kernels_.most_depth &&
        split_holds(kernels_, *a.ranges, *b.ranges)) {
      const auto tile = is_thin() ? kernels_.thin_tile : kernels_.tile;
      tile(pass.depth, a.data, b.data, rows.size(), cols.size(), workspace_.own.product);
      plain_.store(workspace_.own.product, kernels_.nr, problem_.alpha, beta,
                   problem_.c.data + rows.begin * problem_.c.row_stride + cols.begin,
                   problem_.c.row_stride, rows.size(), cols.size());
    } else {
      multiply_plainly(pass, rows, cols, b.data, beta);
    }
    if (pass.is_last) finish(problem_, rows, cols, kernels_.mr);
  }

  // The tile from the operands as they are.
  void multiply_plainly(const Pass& pass, runtime::Range rows, runtime::Range cols,
                        const std::byte* b_panel, float beta) const {
    MatrixView<const float> b{workspace_.own.columns, pass.depth, cols.size(), kernels_.nr, 1};
    if (problem_.b.data == nullptr) {
      kernels_.unpack_b(b_panel, b.rows, b.cols, workspace_.own.columns, kernels_.nr, 1);
    } else if (problem_.b.col_stride == 1) {
      b = block(problem_.b, pass.first, cols.begin, pass.depth, cols.size());
    } else {
      copy_block(block(problem_.b, pass.first, cols.begin, pass.depth, cols.size()),
                 workspace_.own.columns, kernels_.nr);
    }
    const auto a = block(problem_.a, rows.begin, pass.first, rows.size(), pass.depth);
    float* c = problem_.c.data + rows.begin * problem_.c.row_stride + cols.begin;
    for (Index i = 0; i < a.rows; i += plain_.mr) {
      for (Index j = 0; j < b.cols; j += plain_.nr) {
        plain_.tile(pass.depth, a.data + i * a.row_stride, a.row_stride, a.col_stride,
                    {b.data + j, b.row_stride, nullptr, nullptr, 0}, problem_.alpha, beta,
                    c + i * problem_.c.row_stride + j, problem_.c.row_stride,
                    std::min(plain_.mr, a.rows - i), std::min(plain_.nr, b.cols - j));
      }
    }
  }

  static void copy_block(const MatrixView<const float>& from, float* to, Index to_stride) {
    for (Index i = 0; i < from.rows; ++i) {
      for (Index j = 0; j < from.cols; ++j) {
        to[i * to_stride + j] = from.data[i * from.row_stride + j * from.col_stride];
      }
    }
  }

  const runtime::Team& team_;
  const Gemm<float>& problem_;
  const SplitGemmKernels& kernels_;
  const simd::GemmKernels<float>& plain_;
  bool packed_;  // B is
  Blocks blocks_;
  Workspace workspace_;
};

}  // namespace

Blocks split_blocks(const SplitGemmKernels& kernels, Index m, Index n, Index k) {
  return choose_blocks(
      {kernels.mr, kernels.nr, 2 * kernels.terms, kernels.depth_step, kernels.most_depth}, m, n, k);
}

void multiply_split(const runtime::Team& team, const Gemm<float>& problem,
                    const GemmPlan<float>& plan, std::byte* workspace) {
  SplitProduct(team, problem, plan, workspace).run();
}

Index split_workspace(const GemmSize& size, int threads) {
  const Blocks blocks = split_blocks(*size.split, size.m, size.n, size.k);
  return Workspace(*size.split, blocks, threads - 1, size.packed, nullptr).bytes;
}

bool split_holds(const SplitGemmKernels& kernels, const ExponentRange& a, const ExponentRange& b) {
  return std::min(a.lowest, b.lowest) >= kernels.lowest_each &&
         std::max(a.highest, b.highest) <= kernels.highest_each &&
         a.lowest + b.lowest >= kernels.lowest_sum && a.highest + b.highest <= kernels.highest_sum;
}

SplitLayout::SplitLayout(const SplitGemmKernels& split, Index cols, Index depth)
    : kernels(split),
      n(cols),
      k(depth),
      kc(split_blocks(split, split.mr, cols, depth).kc),
      col_panels(ceil_div(cols, split.nr)) {}

Index SplitLayout::offset(Index first, Index col) const {
  const Index depth = std::min(kc, k - std::min(first, k));
  return first / kc * col_panels * panel_bytes(kernels, kernels.nr, kc) +
         col / kernels.nr * panel_bytes(kernels, kernels.nr, depth);
}

}  // namespace unitgain::ops
