// How often operator new has been called in this program, by any thread.
#pragma once

namespace unitgain::tests {

long allocations();

}  // namespace unitgain::tests
