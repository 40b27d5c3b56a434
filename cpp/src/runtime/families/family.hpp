// What the tables of a family are chosen by: UNITGAIN_FAMILY(its type, its name in simd/) in a file
// of its own, which the linker takes for programs that call runtime::family() with that type.
#pragma once

#include <cstddef>

#include "runtime/contracts/contracts.hpp"
#include "runtime/dispatch.hpp"
#include "runtime/variants.hpp"

namespace unitgain::runtime {

// The table of the variant in use, from those of all variants.
template <class Family, std::size_t count>
const Family& table_in_use(const Family* const (&tables)[count]) {
  const std::size_t variant = variant_in_use();
#ifdef UNITGAIN_ASSERTIONS
  const std::size_t checked_variant = variant_of_cpu();
  static const Family* const checked = with_contracts(*tables[checked_variant]);
  if (variant == checked_variant) return *checked;
#endif
  return *tables[variant];
}

}  // namespace unitgain::runtime

#define UNITGAIN_DECLARE(variant, shared, Type, name) \
  namespace shared {                                  \
  extern const Type name;                             \
  }
#define UNITGAIN_TABLE(variant, shared, Type, name) &simd::shared::name,
#define UNITGAIN_FAMILY(Type, name)                                                                \
  namespace unitgain::simd {                                                                       \
  UNITGAIN_VARIANTS(UNITGAIN_DECLARE, Type, name)                                                  \
  }                                                                                                \
  template <>                                                                                      \
  const unitgain::simd::Type& unitgain::runtime::family<unitgain::simd::Type>() {                  \
    static constexpr const simd::Type* tables[] = {UNITGAIN_VARIANTS(UNITGAIN_TABLE, Type, name)}; \
    return table_in_use(tables);                                                                   \
  }
