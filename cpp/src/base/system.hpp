// All that is asked of the operating system, and what happens where it has no such thing: Linux has
// everything, macOS and Windows the rest. No other file of the library includes a system's headers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <thread>

namespace unitgain::base {

// --- memory --------------------------------------------------------------------------------------

// Pages of zeros, a multiple of page_bytes long; nullptr if there is no memory.
inline constexpr std::size_t page_bytes = 4096;
void* map_pages(std::size_t bytes) noexcept;
void unmap_pages(void* memory, std::size_t bytes) noexcept;

// Asks for huge pages, where the system gives some when asked.
inline constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;
void prefer_huge_pages(void* memory, std::size_t bytes) noexcept;

// --- files ---------------------------------------------------------------------------------------

// A file's bytes, aligned to a page: mapped, so that a page is read when it is first touched, and
// private, so that who writes to them changes no file. Who makes the file shorter meanwhile ends
// the process that touches what is gone. Throws std::system_error.
std::span<std::byte> map_file(const std::filesystem::path& path);
void unmap_file(std::span<std::byte> bytes) noexcept;

// Writes a file, or leaves the one that was there: whoever reads sees one of them, whole. Throws
// std::system_error.
void write_file(const std::filesystem::path& path,
                std::span<const std::span<const std::byte>> pieces);

// --- caches --------------------------------------------------------------------------------------

// The sizes in bytes of the caches of the second and third level; 0 where the system does not say.
std::size_t second_level_cache() noexcept;
std::size_t third_level_cache() noexcept;

// --- processes -----------------------------------------------------------------------------------

// Runs these around each fork(), before it and after it in the parent and in the child; null is
// nothing. Call it while the library is loaded, so that no fork is missed: the result is a value to
// initialise something with. Nothing where processes do not fork.
using ForkHandler = void (*)();
int at_fork(ForkHandler before, ForkHandler in_parent, ForkHandler in_child) noexcept;

// --- threads -------------------------------------------------------------------------------------

// How many CPUs the process may use, at least 1.
int usable_cpus() noexcept;

// The CPU that the caller is on; -1 where the system does not say.
int current_cpu() noexcept;

// Prepares the calling thread, one of the library's own: signals are for the program's threads, and
// a woken thread should run at once. Time slices of a tenth of a millisecond let it preempt one
// with longer slices (Linux 6.12 and later; older ones take no notice). A CPU may be held by
// another library's thread that is looking for work: PyTorch's do so for milliseconds after each of
// its operations.
void prepare_worker() noexcept;

// Bars a thread from a CPU, if that leaves it another that the calling thread may use.
using ThreadHandle = std::thread::native_handle_type;
void keep_off(ThreadHandle thread, int cpu) noexcept;

// Sleeps, at most until another thread has changed the word and woken who sleeps on it. Windows has
// functions of its own: those of C++ in mingw-w64 miss wake-ups (libstdc++ up to GCC 12).
using Word = std::atomic<std::uint32_t>;
#if defined(_WIN32)
void sleep_while_equal(Word& word, std::uint32_t old) noexcept;
void wake_one(Word& word) noexcept;
void wake_all(Word& word) noexcept;
#else
inline void sleep_while_equal(Word& word, std::uint32_t old) noexcept {
  word.wait(old, std::memory_order_acquire);
}
inline void wake_one(Word& word) noexcept {
  word.notify_one();
}
inline void wake_all(Word& word) noexcept {
  word.notify_all();
}
#endif

// --- the processor -------------------------------------------------------------------------------

// Whether the process may use AMX's tile registers: Linux gives them to a process that asks.
bool permits_tiles() noexcept;

// --- shared objects ------------------------------------------------------------------------------

// A symbol of a shared object, which is loaded for as long as the process lives; nullptr with the
// system's message in `problem` if it cannot be had.
void* symbol_of_object(const std::string& path, const char* symbol, std::string& problem);

// The path of the program or shared object that an address lies in; empty if there is none.
std::string path_of_object(const void* address);

}  // namespace unitgain::base
