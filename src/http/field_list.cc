#include "http/field_list.h"

namespace bd::http {

void FieldList::add(std::string_view name, std::string_view value) {
  entries_.push_back({bytes_.size(), name.size(), value.size()});
  bytes_.append(name).append(value);
}

const Fields& FieldList::fields() {
  fields_.clear();
  const std::string_view bytes = bytes_;
  for (const Entry& entry : entries_) {
    const std::string_view name = bytes.substr(entry.at, entry.name);
    fields_.push_back({name, bytes.substr(entry.at + entry.name, entry.value), field_name(name)});
  }
  return fields_;
}

}  // namespace bd::http
