#pragma once
// A list of fields that owns its bytes, for messages that are made and not received.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "http/field.h"

namespace bd::http {

class FieldList {
 public:
  void add(std::string_view name, std::string_view value);
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  /// In order of addition; views that live until the next add(), or as long as the list.
  [[nodiscard]] const Fields& fields();

 private:
  struct Entry {
    std::size_t at, name, value;  // Where it begins in bytes_, and both sizes.
  };
  std::string bytes_;
  std::vector<Entry> entries_;
  Fields fields_;
};

}  // namespace bd::http
