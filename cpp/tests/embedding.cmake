# Installs the library and uses what was installed: compiles the programs that docs/building.md and
# docs/howto/embed.md show and the example that trains, runs them, and builds a project in each of
# the ways to find the library. Needs SOURCE, BUILD_DIRECTORY, SCRATCH, C_COMPILER, COMPILER,
# EMULATOR (may be empty), TOOLCHAIN (may be empty), GENERATOR and OPENMP_FLAGS (empty: the library
# was built without OpenMP, and the programs that use it are left out).
function(run)
  execute_process(COMMAND ${ARGV} WORKING_DIRECTORY "${SCRATCH}"
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGV}: ${result}\n${output}")
  endif()
  message("${output}")
endfunction()

# The programs of a page in this language.
function(programs_of page language result)
  file(READ "${SOURCE}/docs/${page}" text)
  string(REPLACE ";" "<semicolon>" text "${text}")
  string(REPLACE "[" "<bracket>" text "${text}")
  string(REPLACE "]" "<tekcarb>" text "${text}")
  string(REGEX MATCHALL "\n```${language}\n[^`]*```" programs "${text}")
  set(${result} ${programs} PARENT_SCOPE)
endfunction()

function(write_program path program)
  string(REGEX REPLACE "\n```[a-z]+\n|```" "" program "${program}")
  string(REPLACE "<semicolon>" ";" program "${program}")
  string(REPLACE "<bracket>" "[" program "${program}")
  string(REPLACE "<tekcarb>" "]" program "${program}")
  file(WRITE "${path}" "${program}")
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}")
set(prefix "${SCRATCH}/prefix")
run(${CMAKE_COMMAND} --install "${BUILD_DIRECTORY}" --component unitgain --prefix "${prefix}")
file(GLOB_RECURSE library "${prefix}/*/libunitgain.a")
get_filename_component(libraries "${library}" DIRECTORY)

# --- the example that trains, which writes the model that the programs run -----------------------
run(${COMPILER} -std=c++20 -O1 -pthread "${SOURCE}/examples/embed/train_digits.cpp"
    "-I${prefix}/include" ${library} -o train_digits)
run(${EMULATOR} ./train_digits digits.safetensors)

# --- the programs of the pages -------------------------------------------------------------------
programs_of(building.md cpp building)
programs_of(howto/embed.md cpp embed)
programs_of(howto/embed.md c embed_c)
list(LENGTH building count)
list(LENGTH embed count_of_embed)
list(LENGTH embed_c count_of_c)
if(NOT "${count} ${count_of_embed} ${count_of_c}" STREQUAL "2 1 1")
  message(FATAL_ERROR "the pages have ${count}, ${count_of_embed} and ${count_of_c} programs")
endif()
foreach(program IN LISTS building embed)
  write_program("${SCRATCH}/main.cpp" "${program}")
  set(flags -pthread)
  if(program MATCHES "#pragma omp")
    # Under an emulator, which has threads of its own, there is nothing to count.
    set(flags ${OPENMP_FLAGS})
    if(NOT flags OR EMULATOR)
      continue()
    endif()
  endif()
  run(${COMPILER} -std=c++20 ${flags} main.cpp "-I${prefix}/include" ${library} -o main)
  run(${EMULATOR} ./main)
endforeach()
write_program("${SCRATCH}/main.c" "${embed_c}")  # beside the last main.cpp, that of embed.md
run(${C_COMPILER} -std=c99 -Wall -Wextra -Werror -pedantic main.c "-I${prefix}/include"
    "-L${libraries}" -lunitgain "-Wl,-rpath,${libraries}" -o main_c)
run(${EMULATOR} ./main_c)

# --- projects that find the library --------------------------------------------------------------
set(configure ${CMAKE_COMMAND} -S "${SOURCE}/cpp/tests/consumer" -G "${GENERATOR}"
    "-DMAIN=${SCRATCH}" -DCMAKE_BUILD_TYPE=Release "-DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN}"
    "-DCMAKE_C_COMPILER=${C_COMPILER}" "-DCMAKE_CXX_COMPILER=${COMPILER}")
run(${configure} -B installed "-DCMAKE_PREFIX_PATH=${prefix}"
    "-DCMAKE_FIND_ROOT_PATH=${prefix}")
run(${CMAKE_COMMAND} --build installed)
run(${EMULATOR} installed/consumer)
run(${EMULATOR} installed/consumer_of_c)

# From its sources, as FetchContent has it, all is compiled once more: here what shows whether it
# would be.
run(${configure} -B contained "-DUNITGAIN_SOURCE=${SOURCE}" -DUNITGAIN_VARIANTS=baseline)
run(${CMAKE_COMMAND} --build contained --target consumer_object unitgain_c_interface)

find_program(pkg_config NAMES pkg-config pkgconf)
if(pkg_config AND NOT EMULATOR)
  foreach(package unitgain unitgain-c)
    execute_process(COMMAND ${CMAKE_COMMAND} -E env "PKG_CONFIG_PATH=${libraries}/pkgconfig"
      ${pkg_config} --cflags --libs ${package} OUTPUT_VARIABLE flags RESULT_VARIABLE result
      OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT result EQUAL 0)
      message(FATAL_ERROR "pkg-config does not find ${package}")
    endif()
    separate_arguments(flags UNIX_COMMAND "${flags}")
    set(flags_of_${package} ${flags})
  endforeach()
  run(${COMPILER} -std=c++20 main.cpp ${flags_of_unitgain} -o by_pkg_config)
  run(./by_pkg_config)
  run(${C_COMPILER} main.c ${flags_of_unitgain-c} "-Wl,-rpath,${libraries}" -o by_pkg_config_c)
  run(./by_pkg_config_c)
else()
  message("there is no pkg-config: left out")
endif()
