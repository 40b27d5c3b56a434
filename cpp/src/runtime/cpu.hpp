// Features of this CPU and this operating system.
#pragma once

#include <string>

namespace unitgain::runtime {

// The features that a variant lacks, for an error message ("AVX512BW, AVX512VL"); empty if the
// variant can run.
std::string missing_for_baseline();
std::string missing_for_avx2();
std::string missing_for_avx512();
std::string missing_for_amx();

// Whether the CPU has AVX512_BF16, which the avx512 variant uses and does not require.
bool has_avx512_bf16();
// The same of AVX512_VNNI; CPUID is asked once.
bool has_avx512_vnni();

}  // namespace unitgain::runtime
