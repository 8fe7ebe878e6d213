// The seeds of the fuzz targets, with the verdict that each must get: what is in `compliant/` is
// accepted to its last byte, what is in `hostile/` is refused with the status that begins its name.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "http1/judge_test.h"

namespace bd::http1 {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The status that a client would see; 200 for what is accepted.
std::string status(const std::optional<Error::Code>& error) {
  if (!error) return "200";
  if (*error == Error::Code::bad_request) return "400";
  if (*error == Error::Code::uri_too_long) return "414";
  if (*error == Error::Code::expectation) return "417";
  if (*error == Error::Code::head_too_large) return "431";
  if (*error == Error::Code::unsupported) return "501";
  if (*error == Error::Code::bad_response) return "502";
  if (*error == Error::Code::response_too_large) return "502";
  if (*error == Error::Code::version) return "505";
  return "unexpected";
}

template <class Judge>
std::size_t replay(const fs::path& folder, Judge judge) {
  std::size_t files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    SCOPED_TRACE(entry.path().string());
    const std::string raw = read(entry.path());
    const Judgement whole = judge(raw, raw.size());
    const bool compliant = folder.filename() == "compliant";
    EXPECT_EQ(status(whole.error),
              compliant ? "200" : entry.path().filename().string().substr(0, 3));
    EXPECT_EQ(whole.complete, compliant);
    for (const std::size_t piece : kPieces) EXPECT_EQ(judge(raw, piece), whole) << piece;
    ++files;
  }
  return files;
}

TEST(Corpus, GetsItsVerdictInEveryFragmentation) {
  const fs::path corpus = fs::path(BD_SOURCE_DIR) / "fuzz/corpus";
  const auto request = [](std::string_view raw, std::size_t piece) {
    return judge_request(raw, piece);
  };
  const auto response = [](std::string_view raw, std::size_t piece) {
    return judge_response(raw, piece);
  };
  EXPECT_GE(replay(corpus / "h1_request/compliant", request), 40u);
  EXPECT_GE(replay(corpus / "h1_request/hostile", request), 80u);
  EXPECT_GE(replay(corpus / "h1_response/compliant", response), 12u);
  EXPECT_GE(replay(corpus / "h1_response/hostile", response), 20u);
}

}  // namespace
}  // namespace bd::http1
