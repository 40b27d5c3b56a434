// The steps of expressions that move values, and products of matrices.
#include "ops/expression_steps.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "ops/gemm.hpp"
#include "ops/grain.hpp"
#include "unitgain/error.hpp"

namespace unitgain::ops {

namespace {

template <class T>
class BoundCopy final : public BoundStep<T> {
 public:
  BoundCopy(const CopyStep& step, Index batch) : from_(step.from), to_(step.to) {
    from_offset_ = step.from_offset.of(batch);
    to_offset_ = step.to_offset.of(batch);
    for (std::size_t d = 0; d < step.sizes.size(); ++d) {
      append(step.sizes[d].of(batch), step.from_strides[d].of(batch), step.to_strides[d].of(batch));
    }
    if (sizes_.empty()) append(1, 1, 1);
    if (sizes_.size() > most_dimensions) throw ValueError("an array has too many dimensions");
    for (const Index size : sizes_) outer_ *= size;
    inner_ = sizes_.back();
    outer_ = inner_ == 0 ? 0 : outer_ / inner_;
    this->work = 0.5 * static_cast<double>(outer_ * inner_) + 2 * static_cast<double>(outer_);
  }

  void run(const runtime::Team& team, const StepMemory<T>& memory) const override {
    const T* from = memory.buffers[from_] + from_offset_;
    T* to = memory.buffers[to_] + to_offset_;
    const std::size_t last = sizes_.size() - 1;
    // One long run is shared out by itself.
    const bool single = outer_ == 1;
    const runtime::Range part = single ? team.share(inner_, element_grain) : team.share(outer_);
    const runtime::Range inner = single ? part : runtime::Range{0, inner_};
    const Index end = single ? 1 : part.end;
    for (Index i = single ? 0 : part.begin; i < end; ++i) {
      Index rest = i, source = 0, target = 0;
      for (std::size_t d = last; d-- > 0;) {
        const Index at = rest % sizes_[d];
        rest /= sizes_[d];
        source += at * from_strides_[d];
        target += at * to_strides_[d];
      }
      copy_run(from + source, to + target, inner);
    }
  }

 private:
  static constexpr std::size_t most_dimensions = 16;

  // Dimensions that lie behind each other in both arrays become one.
  void append(Index size, Index from_stride, Index to_stride) {
    if (size == 1 && !sizes_.empty()) return;
    if (!sizes_.empty() && (sizes_.back() == 1 || (from_strides_.back() == size * from_stride &&
                                                   to_strides_.back() == size * to_stride))) {
      sizes_.back() *= size;
      from_strides_.back() = from_stride;
      to_strides_.back() = to_stride;
      return;
    }
    sizes_.push_back(size);
    from_strides_.push_back(from_stride);
    to_strides_.push_back(to_stride);
  }

  void copy_run(const T* from, T* to, runtime::Range range) const {
    const Index x = from_strides_.back(), y = to_strides_.back();
    if (x == 1 && y == 1) {
      std::copy(from + range.begin, from + range.end, to + range.begin);
    } else if (x == 0 && y == 1) {
      std::fill(to + range.begin, to + range.end, *from);
    } else {
      for (Index i = range.begin; i < range.end; ++i) to[i * y] = from[i * x];
    }
  }

  Index from_, to_, from_offset_, to_offset_, outer_ = 1, inner_ = 1;
  std::vector<Index> sizes_, from_strides_, to_strides_;
};

template <class T>
class BoundFill final : public BoundStep<T> {
 public:
  BoundFill(const FillStep& step, Index size)
      : to_(step.to), size_(size), value_(static_cast<T>(step.value)) {
    this->work = 0.1 * static_cast<double>(size);
  }
  void run(const runtime::Team& team, const StepMemory<T>& memory) const override {
    const runtime::Range part = team.share(size_, element_grain);
    T* to = memory.buffers[to_];
    std::fill(to + part.begin, to + part.end, value_);
  }

 private:
  Index to_, size_;
  T value_;
};

template <class T>
class BoundProduct final : public BoundStep<T> {
 public:
  BoundProduct(const ProductStep& step, Index batch, Precision precision)
      : step_(step),
        count_(step.count.of(batch)),
        m_(step.m.of(batch)),
        n_(step.n.of(batch)),
        k_(step.k.of(batch)),
        a_step_(step.a_step.of(batch)),
        b_step_(step.b_step.of(batch)),
        precision_(precision) {
    this->work = static_cast<double>(count_) * (20 + gemm_work(m_, n_, k_));
  }

  Index own_bytes() const override {
    return count_ == 1 ? 0 : gemm_workspace<T>(m_, n_, k_, 1, precision_);
  }
  Index team_bytes(int threads) const override {
    return count_ == 1 ? gemm_workspace<T>(m_, n_, k_, threads, precision_) : 0;
  }

  void run(const runtime::Team& team, const StepMemory<T>& memory) const override {
    if (m_ == 0 || n_ == 0) return;
    if (k_ == 0) {
      const runtime::Range part = team.share(count_ * m_ * n_, element_grain);
      std::fill_n(memory.buffers[step_.c] + part.begin, part.size(), T{0});
    } else if (count_ == 1) {
      multiply(team, memory, 0, memory.team);
    } else {
      const runtime::Range part = team.share(count_);
      for (Index i = part.begin; i < part.end; ++i) multiply({}, memory, i, memory.own);
    }
  }

 private:
  void multiply(const runtime::Team& team, const StepMemory<T>& memory, Index i,
                std::byte* workspace) const {
    const T* a = memory.buffers[step_.a] + i * a_step_;
    const T* b = memory.buffers[step_.b] + i * b_step_;
    Gemm<T> problem{};
    problem.a = step_.a_turned ? MatrixView<const T>{a, m_, k_, 1, m_}
                               : MatrixView<const T>{a, m_, k_, k_, 1};
    problem.b = step_.b_turned ? MatrixView<const T>{b, k_, n_, 1, k_}
                               : MatrixView<const T>{b, k_, n_, n_, 1};
    problem.c = {memory.buffers[step_.c] + i * m_ * n_, m_, n_, n_, 1};
    problem.precision = precision_;
    gemm(team, problem, workspace);
  }

  ProductStep step_;
  Index count_, m_, n_, k_, a_step_, b_step_;
  Precision precision_;
};

template <class T>
class BoundGather final : public BoundStep<T> {
 public:
  BoundGather(const GatherStep& step, Index batch)
      : step_(step),
        outer_(step.outer.of(batch)),
        length_(step.length.of(batch)),
        count_(step.count.of(batch)),
        inner_(step.inner.of(batch)) {
    for (int d = 0; d < 3; ++d) strides_[d] = step.index_strides[d].of(batch);
    this->work = 2 * static_cast<double>(outer_ * count_ * inner_);
  }

  void run(const runtime::Team& team, const StepMemory<T>& memory) const override {
    if (step_.adds) {
      add(team, memory);
    } else {
      take(team, memory);
    }
  }

 private:
  // The place that an index names; below 0: none.
  Index place(const T* index, Index o, Index i, Index j) const {
    const T value = index[o * strides_[0] + i * strides_[1] + j * strides_[2]];
    const auto length = static_cast<T>(length_);
    if (!(value >= -length && value < length)) return -1;
    const auto found = static_cast<Index>(value);
    return found < 0 ? found + length_ : found;
  }

  void take(const runtime::Team& team, const StepMemory<T>& memory) const {
    const T* from = memory.buffers[step_.from];
    const T* index = memory.buffers[step_.index];
    T* to = memory.buffers[step_.to];
    const runtime::Range part = team.share(outer_ * count_, column_grain<T>);
    for (Index row = part.begin; row < part.end; ++row) {
      const Index o = row / count_, i = row % count_;
      for (Index j = 0; j < inner_; ++j) {
        const Index at = place(index, o, i, j);
        to[row * inner_ + j] =
            at < 0 ? std::numeric_limits<T>::quiet_NaN() : from[(o * length_ + at) * inner_ + j];
      }
    }
  }

  // Each thread has columns of its own, so that a sum's order is that of the indices.
  void add(const runtime::Team& team, const StepMemory<T>& memory) const {
    const T* from = memory.buffers[step_.from];
    const T* index = memory.buffers[step_.index];
    T* to = memory.buffers[step_.to];
    const bool by_outer = inner_ == 1;
    const runtime::Range part = by_outer ? team.share(outer_) : team.share(inner_, column_grain<T>);
    const Index first_outer = by_outer ? part.begin : 0, last_outer = by_outer ? part.end : outer_;
    const Index first = by_outer ? 0 : part.begin, last = by_outer ? inner_ : part.end;
    for (Index o = first_outer; o < last_outer; ++o) {
      for (Index i = 0; i < count_; ++i) {
        for (Index j = first; j < last; ++j) {
          const Index at = place(index, o, i, j);
          if (at >= 0) to[(o * length_ + at) * inner_ + j] += from[(o * count_ + i) * inner_ + j];
        }
      }
    }
  }

  GatherStep step_;
  Index outer_, length_, count_, inner_, strides_[3];
};

template <class T>
class BoundCumulative final : public BoundStep<T> {
 public:
  BoundCumulative(const CumulativeStep& step, Index batch)
      : step_(step),
        outer_(step.outer.of(batch)),
        length_(step.length.of(batch)),
        inner_(step.inner.of(batch)) {
    this->work = static_cast<double>(outer_ * length_ * inner_);
  }

  void run(const runtime::Team& team, const StepMemory<T>& memory) const override {
    const runtime::Range part = team.share(outer_);
    for (Index o = part.begin; o < part.end; ++o) {
      const T* from = memory.buffers[step_.from] + o * length_ * inner_;
      T* to = memory.buffers[step_.to] + o * length_ * inner_;
      for (Index j = 0; j < inner_; ++j) {
        T sum = 0;
        for (Index i = 0; i < length_; ++i) {
          const Index at = (step_.backward ? length_ - 1 - i : i) * inner_ + j;
          sum += from[at];
          to[at] = sum;
        }
      }
    }
  }

 private:
  CumulativeStep step_;
  Index outer_, length_, inner_;
};

}  // namespace

template <class T>
std::unique_ptr<BoundStep<T>> bind_copy(const CopyStep& step, Index batch) {
  return std::make_unique<BoundCopy<T>>(step, batch);
}

template <class T>
std::unique_ptr<BoundStep<T>> bind_fill(const FillStep& step, Index size) {
  return std::make_unique<BoundFill<T>>(step, size);
}

template <class T>
std::unique_ptr<BoundStep<T>> bind_product(const ProductStep& step, Index batch,
                                           Precision precision) {
  return std::make_unique<BoundProduct<T>>(step, batch, precision);
}

template <class T>
std::unique_ptr<BoundStep<T>> bind_gather(const GatherStep& step, Index batch) {
  return std::make_unique<BoundGather<T>>(step, batch);
}

template <class T>
std::unique_ptr<BoundStep<T>> bind_cumulative(const CumulativeStep& step, Index batch) {
  return std::make_unique<BoundCumulative<T>>(step, batch);
}

#define UNITGAIN_INSTANTIATE(T)                                                              \
  template std::unique_ptr<BoundStep<T>> bind_copy(const CopyStep&, Index);                  \
  template std::unique_ptr<BoundStep<T>> bind_fill(const FillStep&, Index);                  \
  template std::unique_ptr<BoundStep<T>> bind_product(const ProductStep&, Index, Precision); \
  template std::unique_ptr<BoundStep<T>> bind_gather(const GatherStep&, Index);              \
  template std::unique_ptr<BoundStep<T>> bind_cumulative(const CumulativeStep&, Index);
UNITGAIN_INSTANTIATE(float)
UNITGAIN_INSTANTIATE(double)
#undef UNITGAIN_INSTANTIATE

}  // namespace unitgain::ops
