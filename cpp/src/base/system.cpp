#include "base/system.hpp"

#include <algorithm>
#include <random>
#include <system_error>

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#endif

#if defined(__linux__)
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#endif

#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace unitgain::base {

// --- memory --------------------------------------------------------------------------------------

#if defined(_WIN32)

void* map_pages(std::size_t bytes) noexcept {
  return VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void unmap_pages(void* memory, std::size_t) noexcept {
  VirtualFree(memory, 0, MEM_RELEASE);
}

#else

void* map_pages(std::size_t bytes) noexcept {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void unmap_pages(void* memory, std::size_t bytes) noexcept {
  munmap(memory, bytes);
}

#endif

void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(MADV_HUGEPAGE)
  madvise(memory, bytes, MADV_HUGEPAGE);  // which a system without them refuses
#endif
}

// --- files ---------------------------------------------------------------------------------------

namespace {

[[noreturn]] void fail(const std::filesystem::path& path) {
#if defined(_WIN32)
  const auto code = static_cast<int>(GetLastError());
#else
  const int code = errno;
#endif
  throw std::system_error(code, std::system_category(), path.string());
}

// A new file beside another, which takes its name when it is whole.
std::filesystem::path temporary_name(const std::filesystem::path& path) {
  std::random_device device;
  std::filesystem::path name(".");
  name += path.filename();
  name += std::to_string(std::uint64_t{device()} << 32 | device());
  return path.parent_path() / name;
}

}  // namespace

#if defined(_WIN32)

namespace {

struct Handle {
  HANDLE value;
  ~Handle() {
    if (value != nullptr && value != INVALID_HANDLE_VALUE) CloseHandle(value);
  }
};

}  // namespace

std::span<std::byte> map_file(const std::filesystem::path& path) {
  const Handle file{CreateFileW(path.c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE,
                                nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr)};
  LARGE_INTEGER size;
  if (file.value == INVALID_HANDLE_VALUE || !GetFileSizeEx(file.value, &size)) fail(path);
  if (size.QuadPart == 0) return {};
  const Handle mapping{CreateFileMappingW(file.value, nullptr, PAGE_WRITECOPY, 0, 0, nullptr)};
  if (mapping.value == nullptr) fail(path);
  void* memory = MapViewOfFile(mapping.value, FILE_MAP_COPY, 0, 0, 0);
  if (memory == nullptr) fail(path);
  return {static_cast<std::byte*>(memory), static_cast<std::size_t>(size.QuadPart)};
}

void unmap_file(std::span<std::byte> bytes) noexcept {
  if (!bytes.empty()) UnmapViewOfFile(bytes.data());
}

void write_file(const std::filesystem::path& path,
                std::span<const std::span<const std::byte>> pieces) {
  const std::filesystem::path temporary = temporary_name(path);
  const auto give_up = [&] {
    const DWORD code = GetLastError();
    DeleteFileW(temporary.c_str());
    SetLastError(code);
    fail(path);
  };
  {
    const Handle file{CreateFileW(temporary.c_str(), GENERIC_WRITE, 0, nullptr, CREATE_NEW,
                                  FILE_ATTRIBUTE_NORMAL, nullptr)};
    if (file.value == INVALID_HANDLE_VALUE) fail(path);
    for (std::span<const std::byte> rest : pieces) {
      while (!rest.empty()) {
        const auto count = static_cast<DWORD>(std::min<std::size_t>(rest.size(), 1 << 30));
        DWORD written = 0;
        if (!WriteFile(file.value, rest.data(), count, &written, nullptr)) give_up();
        rest = rest.subspan(written);
      }
    }
    if (!FlushFileBuffers(file.value)) give_up();
  }
  if (!MoveFileExW(temporary.c_str(), path.c_str(), MOVEFILE_REPLACE_EXISTING)) give_up();
}

#else

namespace {

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) close(value);
  }
};

bool write_pieces(int file, std::span<const std::span<const std::byte>> pieces) {
  for (std::span<const std::byte> rest : pieces) {
    while (!rest.empty()) {
      const ssize_t written = write(file, rest.data(), std::min<std::size_t>(rest.size(), 1 << 30));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return false;
      rest = rest.subspan(static_cast<std::size_t>(written));
    }
  }
  return fsync(file) == 0;
}

}  // namespace

std::span<std::byte> map_file(const std::filesystem::path& path) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat status;
  if (file.value < 0 || fstat(file.value, &status) != 0) fail(path);
  if (!S_ISREG(status.st_mode)) {
    errno = S_ISDIR(status.st_mode) ? EISDIR : ENODEV;
    fail(path);
  }
  const auto bytes = static_cast<std::size_t>(status.st_size);
  if (bytes == 0) return {};
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.value, 0);
  if (memory == MAP_FAILED) fail(path);
  return {static_cast<std::byte*>(memory), bytes};
}

void unmap_file(std::span<std::byte> bytes) noexcept {
  if (!bytes.empty()) munmap(bytes.data(), bytes.size());
}

void write_file(const std::filesystem::path& path,
                std::span<const std::span<const std::byte>> pieces) {
  const std::filesystem::path temporary = temporary_name(path);
  const Descriptor file{open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)};
  if (file.value < 0) fail(path);
  if (write_pieces(file.value, pieces) && rename(temporary.c_str(), path.c_str()) == 0) return;
  const int code = errno;
  unlink(temporary.c_str());
  errno = code;
  fail(path);
}

#endif

namespace {

#if defined(_SC_LEVEL2_CACHE_SIZE)

std::size_t cache(int level) {
  const long size = sysconf(level == 2 ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL3_CACHE_SIZE);
  return size > 0 ? static_cast<std::size_t>(size) : 0;
}

#elif defined(__APPLE__)

std::size_t cache(int level) {
  std::size_t size = 0, length = sizeof size;
  const char* name = level == 2 ? "hw.l2cachesize" : "hw.l3cachesize";
  return sysctlbyname(name, &size, &length, nullptr, 0) == 0 ? size : 0;
}

#elif defined(_WIN32)

std::size_t cache(int level) {
  SYSTEM_LOGICAL_PROCESSOR_INFORMATION described[512];
  DWORD bytes = sizeof described;
  if (!GetLogicalProcessorInformation(described, &bytes)) return 0;
  std::size_t size = 0;
  for (DWORD i = 0; i < bytes / sizeof described[0]; ++i) {
    if (described[i].Relationship != RelationCache || described[i].Cache.Level != level) continue;
    size = std::max<std::size_t>(size, described[i].Cache.Size);
  }
  return size;
}

#else

std::size_t cache(int) {
  return 0;
}

#endif

}  // namespace

std::size_t second_level_cache() noexcept {
  return cache(2);
}

std::size_t third_level_cache() noexcept {
  return cache(3);
}

// --- processes -----------------------------------------------------------------------------------

int at_fork([[maybe_unused]] ForkHandler before, [[maybe_unused]] ForkHandler in_parent,
            [[maybe_unused]] ForkHandler in_child) noexcept {
#if defined(_WIN32)
  return 0;
#else
  return pthread_atfork(before, in_parent, in_child);
#endif
}

// --- threads -------------------------------------------------------------------------------------

int usable_cpus() noexcept {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

int current_cpu() noexcept {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

void prepare_worker() noexcept {
#if !defined(_WIN32)
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
#endif
#if defined(__linux__) && defined(SYS_sched_setattr)
  struct {  // struct sched_attr, version 0
    std::uint32_t size, policy;
    std::uint64_t flags;
    std::int32_t nice;
    std::uint32_t priority;
    std::uint64_t runtime, deadline, period;
  } attributes = {};
  attributes.size = sizeof attributes;
  attributes.policy = SCHED_OTHER;
  attributes.nice = getpriority(PRIO_PROCESS, 0);
  attributes.runtime = 100'000;  // nanoseconds
  syscall(SYS_sched_setattr, 0, &attributes, 0u);
#endif
}

void keep_off([[maybe_unused]] ThreadHandle thread, [[maybe_unused]] int cpu) noexcept {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  CPU_CLR(static_cast<std::size_t>(cpu), &allowed);
  if (CPU_COUNT(&allowed) > 0) pthread_setaffinity_np(thread, sizeof allowed, &allowed);
#endif
}

#if defined(_WIN32)

void sleep_while_equal(Word& word, std::uint32_t old) noexcept {
  WaitOnAddress(&word, &old, sizeof old, INFINITE);
}

void wake_one(Word& word) noexcept {
  WakeByAddressSingle(&word);
}

void wake_all(Word& word) noexcept {
  WakeByAddressAll(&word);
}

#endif

// --- the processor -------------------------------------------------------------------------------

bool permits_tiles() noexcept {
#if defined(__linux__) && defined(__x86_64__)
  constexpr long request_xstate_permission = 0x1023;  // of arch_prctl, since Linux 5.16
  constexpr long tile_data = 18;
  return syscall(SYS_arch_prctl, request_xstate_permission, tile_data) == 0;
#else
  return false;
#endif
}

// --- shared objects ------------------------------------------------------------------------------

void* symbol_of_object(const std::string& path, const char* symbol, std::string& problem) {
#if defined(_WIN32)
  const HMODULE object = LoadLibraryA(path.c_str());
  const FARPROC found = object != nullptr ? GetProcAddress(object, symbol) : nullptr;
  if (found == nullptr) problem = path + ": Windows error " + std::to_string(GetLastError());
  return reinterpret_cast<void*>(found);
#else
  void* object = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* found = object != nullptr ? dlsym(object, symbol) : nullptr;
  if (found == nullptr) problem = dlerror();
  return found;
#endif
}

std::string path_of_object(const void* address) {
#if defined(_WIN32)
  HMODULE object = nullptr;
  constexpr DWORD by_address =
      GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
  char path[4096];
  if (!GetModuleHandleExA(by_address, static_cast<const char*>(address), &object)) return {};
  return {path, GetModuleFileNameA(object, path, sizeof path)};
#else
  Dl_info object;
  if (dladdr(address, &object) == 0) return {};
  return object.dli_fname;
#endif
}

}  // namespace unitgain::base
