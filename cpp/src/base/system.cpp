#include "base/system.hpp"

#include <algorithm>

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

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
