#include "memory.hpp"

#if defined(_WIN32)
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace unitgain::tests {

#if defined(_WIN32)

std::size_t system_page() {
  return base::page_bytes;
}

void forbid(void* memory, std::size_t bytes) {
  DWORD before;
  if (!VirtualProtect(memory, bytes, PAGE_NOACCESS, &before)) std::abort();
}

#else

std::size_t system_page() {
  return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void forbid(void* memory, std::size_t bytes) {
  if (mprotect(memory, bytes, PROT_NONE) != 0) std::abort();
}

#endif

}  // namespace unitgain::tests
