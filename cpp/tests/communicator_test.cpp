// Sums of blocks over processes, which are threads here.
#include "unitgain/communicator.hpp"

#include <barrier>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "check.hpp"
#include "nn/block_tree.hpp"
#include "unitgain/error.hpp"

using namespace unitgain;

namespace {

// Where the threads leave what the others are to have.
struct Board {
  explicit Board(int size) : barrier(size), sent(size), bytes(size) {}
  std::barrier<> barrier;
  std::vector<const char*> sent;
  std::vector<std::vector<Index>> bytes;
};

class Later final : public Exchange {
 public:
  explicit Later(std::function<void()> body) : body_(std::move(body)) {}
  bool test() override { return false; }
  void wait() override { body_(); }

 private:
  std::function<void()> body_;
};

class Threads final : public Communicator {
 public:
  Threads(Board& board, int rank, int size) : board_(board), rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void broadcast(void* data, Index bytes, int root) override {
    meet(data, {}, [&] {
      if (rank_ != root) std::memcpy(data, board_.sent[root], static_cast<std::size_t>(bytes));
    });
  }
  std::unique_ptr<Exchange> start_all_to_all(const void* sent, std::span<const Index> sent_bytes,
                                             void* received,
                                             std::span<const Index> received_bytes) override {
    std::vector<Index> own(sent_bytes.begin(), sent_bytes.end());
    std::vector<Index> expected(received_bytes.begin(), received_bytes.end());
    return std::make_unique<Later>([=, this] {
      meet(sent, own, [&] {
        auto* to = static_cast<char*>(received);
        for (int r = 0; r < size_; ++r) {
          const char* from = board_.sent[r];
          for (int i = 0; i < rank_; ++i) from += board_.bytes[r][i];
          CHECK(board_.bytes[r][rank_] == expected[r], "from " << r << " to " << rank_);
          std::memcpy(to, from, static_cast<std::size_t>(expected[r]));
          to += expected[r];
        }
      });
    });
  }
  std::unique_ptr<Exchange> start_all_gather(void* data, std::span<const Index> bytes) override {
    std::vector<Index> parts(bytes.begin(), bytes.end());
    return std::make_unique<Later>([=, this] {
      meet(data, parts, [&] {
        Index at = 0;
        for (int r = 0; r < size_; ++r) {
          CHECK(board_.bytes[r] == parts, "of " << r);
          auto* to = static_cast<char*>(data) + at;
          if (r != rank_) std::memcpy(to, board_.sent[r] + at, static_cast<std::size_t>(parts[r]));
          at += parts[r];
        }
      });
    });
  }

 private:
  template <class Body>
  void meet(const void* sent, const std::vector<Index>& bytes, Body&& body) {
    board_.sent[rank_] = static_cast<const char*>(sent);
    board_.bytes[rank_] = bytes;
    board_.barrier.arrive_and_wait();
    body();
    board_.barrier.arrive_and_wait();
  }

  Board& board_;
  int rank_, size_;
};

}  // namespace

UNITGAIN_TEST(a_block_has_one_owner_and_parts_are_even) {
  for (int size = 1; size <= 20; ++size) {
    for (Index blocks = 0; blocks <= 40; ++blocks) {
      Index next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const auto [begin, end] = nn::blocks_of(rank, size, blocks);
        CHECK(begin == next, "rank " << rank << " of " << size << ", blocks " << blocks);
        CHECK(end - begin == blocks / size || end - begin == (blocks + size - 1) / size,
              "rank " << rank << " of " << size << ", blocks " << blocks);
        for (Index block = begin; block < end; ++block) {
          CHECK(nn::owner_of(block, size, blocks) == rank, "block " << block);
        }
        next = end;
      }
      CHECK(next == blocks, "blocks " << blocks);
    }
  }
}

// The tree, written as a recursion over values.
template <class T>
static T tree_sum(const std::vector<T>& values, std::size_t begin, std::size_t end) {
  if (end - begin == 1) return values[begin];
  std::size_t half = 1;
  while (2 * half < end - begin) half *= 2;
  return tree_sum(values, begin, begin + half) + tree_sum(values, begin + half, end);
}

UNITGAIN_TYPED_TEST(sums_of_blocks_have_the_same_bits_for_any_number_of_processes) {
  std::mt19937 generator(1);
  std::normal_distribution<double> normal;
  for (const Index count : {1, 17, 5000}) {
    for (const Index blocks : {7, 8, 13, 16}) {
      std::vector<T> values(static_cast<std::size_t>(blocks * count));
      for (T& value : values) value = static_cast<T>(std::exp(4 * normal(generator)));
      for (const int size : {1, 2, 3, 4, 7}) {
        Board board(size);
        std::vector<std::thread> processes;
        for (int rank = 0; rank < size; ++rank) {
          processes.emplace_back([&, rank] {
            Threads communicator(board, rank, size);
            const auto [begin, end] = nn::blocks_of(rank, size, blocks);
            std::vector<T> own(values.begin() + begin * count, values.begin() + end * count);
            sum_blocks(communicator, blocks, own.data(), count);
            for (Index j = 0; j < count; ++j) {
              std::vector<T> column;
              for (Index b = 0; b < blocks; ++b) {
                column.push_back(values[static_cast<std::size_t>(b * count + j)]);
              }
              const T expected = tree_sum(column, 0, column.size());
              CHECK(own[static_cast<std::size_t>(j)] == expected,
                    "process " << rank << " of " << size << ", blocks " << blocks << ", j " << j);
            }
          });
        }
        for (std::thread& process : processes) process.join();
      }
    }
  }
}

UNITGAIN_TEST(fewer_blocks_than_processes_are_refused) {
  Board board(3);
  Threads communicator(board, 0, 3);
  float value = 0;
  bool refused = false;
  try {
    sum_blocks(communicator, 2, &value, 1);
  } catch (const ValueError&) {
    refused = true;
  }
  CHECK(refused, "2 blocks, 3 processes");
}
