#include "websocket/frame_tracker.h"

#include <gtest/gtest.h>
// Its glue needs GoogleTest first.
#include <rapidcheck/gtest.h>

namespace bd::websocket {
namespace {

using namespace std::string_literals;

constexpr std::size_t kPieces[] = {1, 2, 3, 7, 31, 4096, 1 << 20};

/// How a frame's length is written: in the second byte, in two more, or in eight more.
enum class LengthForm : std::uint8_t { shortest, two, eight };

/// One frame. Masked ones have a key; what the payload says does not matter.
std::string frame(unsigned first, std::size_t size, bool masked = false,
                  LengthForm form = LengthForm::shortest) {
  std::string out(1, static_cast<char>(first));
  const unsigned mask_bit = masked ? 0x80 : 0;
  const auto append = [&out](std::size_t byte) { out.push_back(static_cast<char>(byte & 0xff)); };
  if (form == LengthForm::shortest) {
    form = size > 65535 ? LengthForm::eight : LengthForm::two;
    if (size < 126) {
      append(mask_bit | size);
      return out + (masked ? "\x88\x08\x80\xff"s : "") + std::string(size, '\x88');
    }
  }
  const int width = form == LengthForm::two ? 2 : 8;
  append(mask_bit | (form == LengthForm::two ? 126U : 127U));
  for (int i = width - 1; i >= 0; --i) append(size >> (8 * i));
  return out + (masked ? "\x88\x08\x80\xff"s : "") + std::string(size, '\x88');
}

TEST(FrameTracker, FindsTheBoundaryHoweverBytesAreCut) {
  struct Case {
    const char* why;
    std::string bytes;
  };
  const Case cases[] = {
      {"empty text", frame(0x81, 0)},
      {"one byte", frame(0x81, 1)},
      {"empty, masked", frame(0x82, 0, true)},
      {"masked", frame(0x82, 5, true)},
      {"the largest short one", frame(0x82, 125)},
      {"the smallest with two bytes", frame(0x82, 126)},
      {"the same, masked", frame(0x82, 126, true)},
      {"the largest with two bytes", frame(0x02, 65535)},
      {"the smallest with eight bytes", frame(0x82, 65536, true)},
      {"two bytes where none were needed", frame(0x82, 3, false, LengthForm::two)},
      {"eight bytes for nothing", frame(0x82, 0, false, LengthForm::eight)},
      {"eight bytes for little, masked", frame(0x82, 3, true, LengthForm::eight)},
      {"reserved bits and opcodes", frame(0xff, 2)},
      {"ping", frame(0x89, 4)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    for (const std::size_t piece : kPieces) {
      FrameTracker tracker;
      EXPECT_TRUE(tracker.at_boundary());
      for (std::size_t at = 0; at < c.bytes.size(); at += piece) {
        tracker.feed(std::string_view(c.bytes).substr(at, piece));
        ASSERT_EQ(tracker.at_boundary(), at + piece >= c.bytes.size()) << at << " by " << piece;
      }
      EXPECT_FALSE(tracker.broken());
      EXPECT_FALSE(tracker.close_seen());
      tracker.feed("");
      EXPECT_TRUE(tracker.at_boundary());
    }
  }
}

TEST(FrameTracker, SeesAClosePassCompletely) {
  struct Case {
    const char* why;
    std::string bytes;
    bool seen;
  };
  const Case cases[] = {
      {"empty", "\x88\x00"s, true},
      {"with a code", "\x88\x02\x03\xe9"s, true},
      {"masked and empty", "\x88\x80zzzz"s, true},
      {"masked with a code", "\x88\x82zzzzab"s, true},
      {"with reserved bits", "\xf8\x00"s, true},
      {"behind a message", frame(0x81, 200) + "\x88\x00"s, true},
      {"between fragments", frame(0x01, 2) + "\x88\x00"s + frame(0x80, 2), true},
      {"a message with a close in its payload", frame(0x82, 4), false},
      {"a ping", frame(0x89, 0), false},
      {"the length is not there", "\x88"s, false},
      {"the mask is not there", "\x88\x80zzz"s, false},
      {"the code is not there", "\x88\x02\x03"s, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    for (const std::size_t piece : kPieces) {
      FrameTracker tracker;
      for (std::size_t at = 0; at < c.bytes.size(); at += piece) {
        EXPECT_TRUE(c.seen || !tracker.close_seen());
        tracker.feed(std::string_view(c.bytes).substr(at, piece));
      }
      EXPECT_EQ(tracker.close_seen(), c.seen);
    }
  }
}

TEST(FrameTracker, TheLargestFrameIsStillAFrame) {
  FrameTracker tracker;
  tracker.feed("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff"s);
  EXPECT_FALSE(tracker.broken());
  EXPECT_EQ(tracker.bytes_to_boundary(), 4u);  // The head's; then the payload's.
  tracker.feed("mask");
  EXPECT_EQ(tracker.bytes_to_boundary(), 0x7fffffffffffffffu);
  tracker.feed("x");
  EXPECT_EQ(tracker.bytes_to_boundary(), 0x7ffffffffffffffeu);
  EXPECT_FALSE(tracker.at_boundary());
}

TEST(FrameTracker, AnImpossibleLengthBreaksItForGood) {
  for (const unsigned second : {0x7fU, 0xffU}) {
    FrameTracker tracker;
    tracker.feed(std::string{'\x82', static_cast<char>(second)});
    EXPECT_FALSE(tracker.broken());
    tracker.feed("\x80"s);
    EXPECT_TRUE(tracker.broken());
    for (int i = 0; i < 40; ++i) {
      tracker.feed("\x00"s);
      EXPECT_TRUE(tracker.broken());
      ASSERT_FALSE(tracker.at_boundary());
    }
    tracker.feed("\x88\x00\x88\x00"s);
    EXPECT_FALSE(tracker.close_seen());
    EXPECT_EQ(tracker.bytes_to_boundary(), std::numeric_limits<std::uint64_t>::max());
  }
}

TEST(CloseFrame, IsMaskedTowardsTheServer) {
  EXPECT_EQ(close_frame(kGoingAway, false, 0x01020304), "\x88\x02\x03\xe9"s);
  EXPECT_EQ(close_frame(kGoingAway, true, 0x01020304), "\x88\x82\x01\x02\x03\x04\x02\xeb"s);
  EXPECT_EQ(close_frame(4999, true, 0xfffefdfc), "\x88\x82\xff\xfe\xfd\xfc\xec\x79"s);
  for (const bool masked : {false, true}) {
    FrameTracker tracker;
    tracker.feed(close_frame(kGoingAway, masked, 0x80808080));
    EXPECT_TRUE(tracker.at_boundary());
    EXPECT_TRUE(tracker.close_seen());
  }
}

// Who forwards no more than bytes_to_boundary() at a time stops at every boundary, and at the end
// of a run of frames the tracker knows it.
RC_GTEST_PROP(FrameTracker, LeadsFromBoundaryToBoundary, ()) {
  const auto sizes = *rc::gen::container<std::vector<std::size_t>>(
      rc::gen::weightedOneOf<std::size_t>({{8, rc::gen::inRange<std::size_t>(0, 200)},
                                           {1, rc::gen::inRange<std::size_t>(65530, 65540)}}));
  std::string bytes;
  std::vector<std::size_t> boundaries;
  for (const std::size_t size : sizes) {
    bytes += frame(*rc::gen::inRange<unsigned>(0, 256), size, *rc::gen::arbitrary<bool>());
    boundaries.push_back(bytes.size());
  }
  FrameTracker tracker;
  std::vector<std::size_t> found;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::uint64_t step = tracker.at_boundary() ? 1 : tracker.bytes_to_boundary();
    RC_ASSERT(step <= rest.size());
    tracker.feed(rest.substr(0, step));
    rest.remove_prefix(step);
    if (tracker.at_boundary()) found.push_back(bytes.size() - rest.size());
  }
  RC_ASSERT(found == boundaries);
}

}  // namespace
}  // namespace bd::websocket
