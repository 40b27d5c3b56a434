# Compiles for macOS on Apple's processors by PyPI's package `ziglang`, which brings Clang, libc++, the
# system's headers and what programs are linked with. Nothing here can run the result.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_PROCESSOR arm64)
find_program(ZIG NAMES zig python-zig REQUIRED)
set(CMAKE_CXX_COMPILER ${ZIG} c++)
set(CMAKE_CXX_COMPILER_TARGET aarch64-macos)
# The ar of another system makes no index of these objects.
set(CMAKE_CXX_ARCHIVE_CREATE "\"${ZIG}\" ar qcs <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_APPEND "\"${ZIG}\" ar qs <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "")
