#include "spec/unknown_name.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace unitgain::spec {

namespace {

// Levenshtein's distance: the least number of insertions, deletions and substitutions.
int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i) + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const int substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string unknown_name(std::string_view what, std::string_view name,
                         std::span<const std::string_view> known) {
  std::string message = "unknown ";
  message.append(what).append(" '").append(name).append("', expected one of ");
  std::string_view nearest = known.front();
  for (const std::string_view& each : known) {
    message.append(&each == known.data() ? "" : ", ").append(each);
    if (edit_distance(name, each) < edit_distance(name, nearest)) nearest = each;
  }
  if (edit_distance(name, nearest) <= 2) {
    message.append("; did you mean '").append(nearest).append("'?");
  }
  return message;
}

}  // namespace unitgain::spec
