// The caches of this machine.
#pragma once

#include "unitgain/types.hpp"

namespace unitgain::runtime {

struct CacheSizes {
  Index second;  // bytes of the second level, one core's
  Index third;   // bytes of the third level, shared; that of the second where there is none
};

// As the system tells, or what is usual where it does not.
CacheSizes cache_sizes();

}  // namespace unitgain::runtime
