#include "http/field_list.h"

#include <gtest/gtest.h>

namespace bd::http {
namespace {

TEST(FieldList, KeepsItsOwnBytesInOrder) {
  FieldList list;
  EXPECT_TRUE(list.empty());
  for (int i = 0; i < 100; ++i) {
    std::string name = "x-" + std::to_string(i);
    list.add(name, std::string(static_cast<std::size_t>(i), 'v'));
    name.assign(name.size(), '?');  // The list has a copy.
  }
  list.add("host", "");
  const Fields& fields = list.fields();
  ASSERT_EQ(fields.size(), 101U);
  EXPECT_EQ(fields[42].name, "x-42");
  EXPECT_EQ(fields[42].value, std::string(42, 'v'));
  EXPECT_EQ(fields.back().id, FieldName::host);
  EXPECT_EQ(list.fields().size(), 101U);
}

}  // namespace
}  // namespace bd::http
