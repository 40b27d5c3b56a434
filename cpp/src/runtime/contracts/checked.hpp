// Puts a contract in front of a kernel.
#pragma once

#include "base/assert.hpp"
#include "runtime/contracts/area.hpp"
#include "runtime/contracts/contracts.hpp"

namespace unitgain::runtime {

// The kernels of a family as the variant made them; `which` tells tables of one type apart.
template <class Family, int which = 0>
inline const Family* bare = nullptr;

template <auto member, class Contract, int which, class Family, class Result, class... Arguments>
Result call_checked(Arguments... arguments) {
  const Family& family = *bare<Family, which>;
  Contract()(family, arguments...);
  return (family.*member)(arguments...);
}

template <auto member, int which, class Contract, class Family, class Result, class... Arguments>
void put_before(Family& table, Result (*Family::*)(Arguments...)) {
  if (table.*member != nullptr) {
    table.*member = call_checked<member, Contract, which, Family, Result, Arguments...>;
  }
}

// table.*member becomes a function that calls contract(bare family, arguments...) first. The
// contract is a lambda without captures.
template <auto member, int which = 0, class Family, class Contract>
void check(Family& table, Contract) {
  put_before<member, which, Contract>(table, member);
}

// A copy of a family's table for good, whose kernels add() puts contracts before.
template <int which = 0, class Family, class Add>
const Family* checked_copy(const Family& kernels, Add&& add) {
  static Family table = kernels;
  bare<Family, which> = &kernels;
  add(table);
  return &table;
}

}  // namespace unitgain::runtime
