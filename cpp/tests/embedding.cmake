# Installs the library, compiles the program that docs/building.md shows against what was installed,
# and runs it. Needs BUILD_DIRECTORY, SCRATCH, DOCUMENT, COMPILER, EMULATOR (may be empty).
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGV}: ${result}\n${output}")
  endif()
  message("${output}")
endfunction()

file(READ "${DOCUMENT}" text)
string(FIND "${text}" "```cpp\n" begin)
string(SUBSTRING "${text}" ${begin} -1 text)
string(REPLACE "```cpp\n" "" text "${text}")
string(FIND "${text}" "```" end)
string(SUBSTRING "${text}" 0 ${end} text)
file(WRITE "${SCRATCH}/main.cpp" "${text}")

run(${CMAKE_COMMAND} --install "${BUILD_DIRECTORY}" --prefix "${SCRATCH}/prefix")
file(GLOB_RECURSE library "${SCRATCH}/prefix/*/libunitgain.a")
run(${COMPILER} -std=c++20 -pthread "${SCRATCH}/main.cpp" "-I${SCRATCH}/prefix/include" ${library}
    -o "${SCRATCH}/main")
run(${EMULATOR} "${SCRATCH}/main")
