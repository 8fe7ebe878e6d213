#include "decide/reference.h"

#include <fmt/format.h>

#include "decide/decide.h"

namespace bd::decide {
namespace {

constexpr std::string_view kIntroduction = R"(# Causes

<!-- Generated from src/decide/decide.cc; the unit tests of decide rewrite it with BLASTDOOR_BLESS=1. -->

A response that Blastdoor made itself carries `X-Blastdoor-Cause` with one of these words. A response without it came
from the application. *Party* says where to look: the client, the upstream application, the site's own objects and
configuration, or the door.

| cause | status | party | what | what to do |
|---|---|---|---|---|
)";

}  // namespace

std::string causes_reference() {
  std::string out(kIntroduction);
  for (std::size_t i = 1; i < static_cast<std::size_t>(Cause::count_); ++i) {  // After `none`.
    const CauseInfo& cause = info(static_cast<Cause>(i));
    fmt::format_to(std::back_inserter(out), "| `{}` | {} | {} | {} | {} |\n", cause.name,
                   cause.status, cause.party, cause.what, cause.to_do);
  }
  return out;
}

}  // namespace bd::decide
