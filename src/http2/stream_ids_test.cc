#include "http2/stream_ids.h"

#include <gtest/gtest.h>

namespace bd::http2 {
namespace {

using Verdict = StreamIds::Verdict;

FrameHead frame(FrameType type, std::uint32_t stream, std::uint8_t flags = 0) {
  return {.length = 4, .type = static_cast<std::uint8_t>(type), .flags = flags, .stream = stream};
}

TEST(StreamIds, NothingFollowsAnEnd) {
  StreamIds ids(true);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 1)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::data, 1)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::data, 1, kEndStream)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::window_update, 1)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::priority, 1)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::rst_stream, 1)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::data, 1)), Verdict::closed);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 1)), Verdict::closed);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 3)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::rst_stream, 3)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::data, 3)), Verdict::closed);
}

TEST(StreamIds, TrailersEndAStreamThatIsOpen) {
  StreamIds ids(true);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 1)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 3, kEndStream)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 1, kEndStream)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 1, kEndStream)), Verdict::closed);
}

TEST(StreamIds, WhatWasLeftOutCannotBeOpenedLater) {
  StreamIds ids(true);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 5)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 3)), Verdict::skipped);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 1)), Verdict::skipped);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 7)), Verdict::fine);
  for (std::uint32_t id = 11; id < 400; id += 4) {
    EXPECT_EQ(ids.receive(frame(FrameType::headers, id)), Verdict::fine);  // Gaps without end.
  }
}

TEST(StreamIds, AServerAnswersInAnyOrder) {
  StreamIds ids(false);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 5)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 3, kEndStream)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::headers, 1)), Verdict::fine);
  EXPECT_EQ(ids.receive(frame(FrameType::data, 3)), Verdict::closed);
}

TEST(StreamIds, OldStreamsAreForgotten) {
  StreamIds ids(true);
  for (std::uint32_t id = 1; id < 1000; id += 2) {
    EXPECT_EQ(ids.receive(frame(FrameType::headers, id, kEndStream)), Verdict::fine);
  }
  EXPECT_EQ(ids.receive(frame(FrameType::data, 999)), Verdict::closed);
  EXPECT_EQ(ids.receive(frame(FrameType::data, 1)), Verdict::fine);
}

}  // namespace
}  // namespace bd::http2
