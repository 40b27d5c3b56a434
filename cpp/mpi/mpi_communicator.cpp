#include "unitgain/mpi.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "unitgain/error.hpp"

namespace unitgain {

namespace {

void check(int error) {
  if (error == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(error, text, &length);
  throw std::runtime_error("MPI: " + std::string(text, static_cast<std::size_t>(length)));
}

// A copy of a communicator, whose errors are returned.
class Copy {
 public:
  explicit Copy(MPI_Comm given) {
    check(MPI_Comm_dup(given, &comm_));
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  ~Copy() { MPI_Comm_free(&comm_); }
  MPI_Comm get() const { return comm_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

// MPI's numbers of bytes, and where each part begins: ints.
struct Layout {
  explicit Layout(std::span<const Index> bytes) {
    Index at = 0;
    for (const Index part : bytes) {
      counts.push_back(static_cast<int>(part));
      begins.push_back(static_cast<int>(at));
      at += part;
    }
    if (at > std::numeric_limits<int>::max()) {
      throw ValueError("an exchange has " + std::to_string(at) +
                       " bytes, expected less than 2 GiB: as many as MPI counts");
    }
  }
  std::vector<int> counts, begins;
};

class Request final : public Exchange {
 public:
  Request(Layout sent, Layout received) : sent_(std::move(sent)), received_(std::move(received)) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() override {
    if (request_ != MPI_REQUEST_NULL) MPI_Wait(&request_, MPI_STATUS_IGNORE);
  }
  bool test() override {
    int ended = 0;
    check(MPI_Test(&request_, &ended, MPI_STATUS_IGNORE));
    return ended != 0;
  }
  void wait() override { check(MPI_Wait(&request_, MPI_STATUS_IGNORE)); }

  const Layout sent_, received_;  // which MPI reads until the end
  MPI_Request request_ = MPI_REQUEST_NULL;
};

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(MPI_Comm processes)
      : collecting_(processes), spreading_(processes), broadcasting_(processes) {
    check(MPI_Comm_rank(processes, &rank_));
    check(MPI_Comm_size(processes, &size_));
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void broadcast(void* data, Index bytes, int root) override {
    constexpr Index most = 1 << 30;
    auto* at = static_cast<char*>(data);
    for (Index done = 0; done < bytes; done += most) {
      const Index part = std::min(most, bytes - done);
      check(MPI_Bcast(at + done, static_cast<int>(part), MPI_BYTE, root, broadcasting_.get()));
    }
  }
  std::unique_ptr<Exchange> start_all_to_all(const void* sent, std::span<const Index> sent_bytes,
                                             void* received,
                                             std::span<const Index> received_bytes) override {
    auto made = std::make_unique<Request>(Layout(sent_bytes), Layout(received_bytes));
    const Layout &from = made->sent_, &to = made->received_;
    check(MPI_Ialltoallv(sent, from.counts.data(), from.begins.data(), MPI_BYTE, received,
                         to.counts.data(), to.begins.data(), MPI_BYTE, collecting_.get(),
                         &made->request_));
    return made;
  }
  std::unique_ptr<Exchange> start_all_gather(void* data, std::span<const Index> bytes) override {
    auto made = std::make_unique<Request>(Layout({}), Layout(bytes));
    const Layout& to = made->received_;
    check(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_BYTE, data, to.counts.data(), to.begins.data(),
                          MPI_BYTE, spreading_.get(), &made->request_));
    return made;
  }

 private:
  // One for each kind of exchange: those of one kind keep their order.
  Copy collecting_, spreading_, broadcasting_;
  int rank_ = 0, size_ = 1;
};

}  // namespace

std::shared_ptr<Communicator> mpi_communicator(MPI_Comm processes) {
  return std::make_shared<MpiCommunicator>(processes);
}

}  // namespace unitgain
