// Stands in for libFuzzer in a normal build: one test per file of the corpus. Each target aborts
// when an invariant breaks, and the test's name, printed before it runs, is the file's.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> corpus() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(BD_CORPUS)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string test_name(const testing::TestParamInfo<std::filesystem::path>& info) {
  std::string name = info.param.lexically_relative(BD_CORPUS).string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

class Corpus : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Corpus, HoldsTheInvariants) {
  std::ifstream file(GetParam(), std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(
      LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()),
      0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Corpus, testing::ValuesIn(corpus()), test_name);

}  // namespace
