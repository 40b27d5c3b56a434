#include "nn/block_sums.hpp"

#include <algorithm>
#include <string>

#include "runtime/dispatch.hpp"
#include "simd/kernels/vector.hpp"
#include "unitgain/error.hpp"

namespace unitgain {

namespace nn {

namespace {

// Values that a thread adds up at a time, which stay in its first cache.
constexpr Index tile = 1024;
// Bytes of a process's share up to which one exchange that all take part in is quicker than two
// that move less.
constexpr Index small_bytes = 1 << 15;

template <class T>
constexpr auto size_of = static_cast<Index>(sizeof(T));

}  // namespace

template <class T>
BlockSums<T>::BlockSums(std::shared_ptr<Communicator> communicator, Index blocks, Index count)
    : communicator_(std::move(communicator)),
      count_(count),
      own_(blocks_of(rank(), size(), blocks)),
      leaves_(own_leaves(blocks, rank(), size())),
      shared_(shared_leaves(blocks, size())),
      shared_of_(static_cast<std::size_t>(size())) {
  Index depth = 0, deepest = 1;
  for (const Subtree& leaf : leaves_) {
    depths_.push_back(depth);
    depth += 1 - leaf.merges;
    deepest = std::max(deepest, depth);
  }
  for (const Subtree& node : shared_) {
    ++shared_of_[static_cast<std::size_t>(owner_of(node.begin, size(), blocks))];
  }
  slots_ = base::AlignedBuffer<T>(deepest * count, "the sums of a batch's blocks");
  slots_.zero();  // what lies between arrays is added up, too
}

template <class T>
Index BlockSums<T>::bytes() const {
  Index values = slots_.size();
  for (const auto& part : parts_) values += part->sent.size() + part->received.size();
  return values * size_of<T>;
}

template <class T>
void BlockSums<T>::add(const runtime::Team& team, Index block, const T* values, Index first,
                       Index count) {
  const auto number = static_cast<std::size_t>(block - own_.begin);
  const int merges = leaves_[number].merges;
  const Index depth = depths_[number];
  const auto add = runtime::kernels<T>().vector->add;
  const Range part = team.share(count, tile);
  for (Index at = part.begin; at < part.end; at += tile) {
    const Index n = std::min(tile, part.end - at);
    T* to = slot(depth - merges) + first + at;
    if (merges == 0) {
      std::copy_n(values + at, n, to);
      continue;
    }
    T sum[tile];
    const T* known = values + at;
    for (int i = 1; i <= merges; ++i) {
      T* made = i == merges ? to : sum;
      add(slot(depth - i) + first + at, known, made, n);
      known = made;
    }
  }
}

template <class T>
void BlockSums<T>::start(Index first, Index count) {
  if (size() == 1 || count == 0) return;
  auto part = std::make_unique<Part>();
  part->first = first;
  part->count = count;
  const auto nodes = static_cast<Index>(shared_.size());
  part->is_small = count * size_of<T> * nodes <= small_bytes * size();
  if (!part->is_small) collect(*part);
  parts_.push_back(std::move(part));
}

// Gives every process all sums that processes have.
template <class T>
void BlockSums<T>::gather_all(Part& part) {
  part.received = base::AlignedBuffer<T>(static_cast<Index>(shared_.size()) * part.count,
                                         "the sums of other processes");
  T* own = part.received.data();
  for (int r = 0; r < size(); ++r) {
    const Index values = shared_by(r) * part.count;
    part.received_bytes.push_back(values * size_of<T>);
    if (r < rank()) own += values;
  }
  for (Index i = 0; i < shared_by(rank()); ++i) {
    std::copy_n(slot(i) + part.first, part.count, own + i * part.count);
  }
  part.spreading = communicator_->start_all_gather(part.received.data(), part.received_bytes);
}

// Gives each process all sums of its slice.
template <class T>
void BlockSums<T>::collect(Part& part) {
  const Index own = shared_by(rank()), width = slice(part, rank()).size();
  const T* sent = slot(0) + part.first;
  if (own > 1) {
    part.sent = base::AlignedBuffer<T>(own * part.count, "sums for other processes");
    sent = part.sent.data();
  }
  Index received = 0;
  T* to = part.sent.data();
  for (int r = 0; r < size(); ++r) {
    const Range range = slice(part, r);
    part.sent_bytes.push_back(own * range.size() * size_of<T>);
    part.received_bytes.push_back(shared_by(r) * width * size_of<T>);
    received += shared_by(r) * width;
    for (Index i = 0; own > 1 && i < own; ++i, to += range.size()) {
      std::copy_n(slot(i) + part.first + range.begin, range.size(), to);
    }
  }
  part.received = base::AlignedBuffer<T>(received, "the sums of other processes");
  part.collecting = communicator_->start_all_to_all(sent, part.sent_bytes, part.received.data(),
                                                    part.received_bytes);
}

// Adds up what came in, a row of `count` values for each of shared_: written over on the way.
template <class T>
void BlockSums<T>::add_up(T* received, Index count, T* sum) const {
  const auto add = runtime::kernels<T>().vector->add;
  std::vector<T*> stack;
  for (std::size_t i = 0; i < shared_.size(); ++i) {
    stack.push_back(received + static_cast<Index>(i) * count);
    for (int j = 0; j < shared_[i].merges; ++j) {
      const T* right = stack.back();
      stack.pop_back();
      add(stack.back(), right, stack.back(), count);
    }
  }
  std::copy_n(stack.back(), count, sum);
}

template <class T>
void BlockSums<T>::spread(Part& part) {
  if (part.is_small) return gather_all(part);
  part.collecting->wait();
  const Range own = slice(part, rank());
  add_up(part.received.data(), own.size(), slot(0) + part.first + own.begin);
  std::vector<Index> bytes;
  for (int r = 0; r < size(); ++r) bytes.push_back(slice(part, r).size() * size_of<T>);
  part.spreading = communicator_->start_all_gather(slot(0) + part.first, bytes);
}

// What is spread comes in the order of the parts, whatever has been collected first: exchanges of
// one kind are started in the same order on all processes.
template <class T>
void BlockSums<T>::advance() {
  for (const auto& part : parts_) {
    if (part->spreading == nullptr) {
      if (!part->is_small && !part->collecting->test()) return;
      spread(*part);
    }
    part->spreading->test();
  }
}

template <class T>
void BlockSums<T>::finish() {
  for (const auto& part : parts_) {
    if (part->spreading == nullptr) spread(*part);
  }
  for (const auto& part : parts_) {
    part->spreading->wait();
    if (part->is_small) add_up(part->received.data(), part->count, slot(0) + part->first);
  }
  parts_.clear();
}

template class BlockSums<float>;
template class BlockSums<double>;

}  // namespace nn

template <class T>
void sum_blocks(Communicator& communicator, Index blocks, T* data, Index count) {
  if (blocks < communicator.size()) {
    throw ValueError(std::to_string(blocks) + " blocks are fewer than " +
                     std::to_string(communicator.size()) + " processes");
  }
  // Not its owner.
  nn::BlockSums<T> sums({std::shared_ptr<void>(), &communicator}, blocks, count);
  const nn::Range own = sums.own();
  for (Index block = own.begin; block < own.end; ++block) {
    sums.add(runtime::Team(), block, data + (block - own.begin) * count, 0, count);
  }
  sums.start(0, count);
  sums.finish();
  std::copy_n(sums.sums(), count, data);
}

template void sum_blocks(Communicator&, Index, float*, Index);
template void sum_blocks(Communicator&, Index, double*, Index);

}  // namespace unitgain
