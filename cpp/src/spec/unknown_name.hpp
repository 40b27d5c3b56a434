// The message for a name that nothing has.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace unitgain::spec {

// "unknown loss 'hube', expected one of ...", and the nearest name if one is near.
std::string unknown_name(std::string_view what, std::string_view name,
                         std::span<const std::string_view> known);

}  // namespace unitgain::spec
