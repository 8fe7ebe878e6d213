// Stands in for libFuzzer in a normal build: one test per file of the corpus, and one for all that
// fuzzing found. Each target aborts when an invariant breaks; the name of the file was printed
// before.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

namespace {

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
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

int run(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  return LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

class Corpus : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Corpus, HoldsTheInvariants) {
  EXPECT_EQ(run(GetParam()), 0);
}

TEST(Found, HoldsTheInvariants) {
  for (const std::filesystem::path& path : files_of(BD_FOUND)) {
    std::fprintf(stderr, "%s\n", path.filename().c_str());
    EXPECT_EQ(run(path), 0) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Corpus, testing::ValuesIn(files_of(BD_CORPUS)), test_name);

}  // namespace
