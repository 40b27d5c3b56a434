// A communicator written in Python, over MPI.
#pragma once

#include <pybind11/stl.h>

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common.hpp"
#include "gil.hpp"
#include "unitgain/communicator.hpp"

namespace unitgain::bindings {

// A request of mpi4py, or what has the same two methods.
class PythonExchange final : public Exchange {
 public:
  explicit PythonExchange(const py::object& request)
      : test_(request.attr("Test")), wait_(request.attr("Wait")) {}
  bool test() override {
    const GilAcquire acquire;
    return py::cast<bool>(test_());
  }
  void wait() override {
    const GilAcquire acquire;
    wait_();
  }

 private:
  Callable test_, wait_;
};

// Python is given the memory itself, as memoryviews of bytes, which it must not keep.
class PythonCommunicator final : public Communicator {
 public:
  explicit PythonCommunicator(const py::object& own)
      : rank_(py::cast<int>(own.attr("rank"))),
        size_(py::cast<int>(own.attr("size"))),
        broadcast_(own.attr("broadcast")),
        all_to_all_(own.attr("start_all_to_all")),
        all_gather_(own.attr("start_all_gather")) {}

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void broadcast(void* data, Index bytes, int root) override {
    const GilAcquire acquire;
    broadcast_(memory(data, bytes), root);
  }
  std::unique_ptr<Exchange> start_all_to_all(const void* sent, std::span<const Index> sent_bytes,
                                             void* received,
                                             std::span<const Index> received_bytes) override {
    const GilAcquire acquire;
    return std::make_unique<PythonExchange>(
        all_to_all_(memory(const_cast<void*>(sent), sum(sent_bytes)), list(sent_bytes),
                    memory(received, sum(received_bytes)), list(received_bytes)));
  }
  std::unique_ptr<Exchange> start_all_gather(void* data, std::span<const Index> bytes) override {
    const GilAcquire acquire;
    return std::make_unique<PythonExchange>(all_gather_(memory(data, sum(bytes)), list(bytes)));
  }

 private:
  static Index sum(std::span<const Index> values) {
    Index sum = 0;
    for (const Index value : values) sum += value;
    return sum;
  }
  static py::object memory(void* data, Index bytes) {
    static char none = 0;
    return py::memoryview::from_memory(bytes == 0 ? &none : data, bytes);
  }
  static std::vector<Index> list(std::span<const Index> values) {
    return {values.begin(), values.end()};
  }

  int rank_, size_;
  Callable broadcast_, all_to_all_, all_gather_;
};

}  // namespace unitgain::bindings
