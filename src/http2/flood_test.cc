// What a peer may do, but not that often: each flood is cut off at a known frame, and honest
// traffic never is.
#include <gtest/gtest.h>

#include "http2/peer_for_test.h"

namespace bd::http2 {
namespace {

using Log = std::vector<std::string>;

/// Frames until the server ends the connection; `first` is said before.
int frames_until_cut(const std::string& first, const std::function<std::string(int)>& flood,
                     std::size_t piece, const std::function<void(Side&)>& prepare = {}) {
  Side server(Role::server);
  if (prepare) prepare(server);
  EXPECT_TRUE(server.hear(preface() + settings_ack() + first));
  for (int i = 0; i < 100'000; ++i) {
    if (server.hear(flood(i), piece)) continue;
    EXPECT_TRUE(server.connection.abuse());
    EXPECT_NE(server.connection.fault(), nullptr);
    const auto goaway = frames_of(server.take(), FrameType::goaway);
    EXPECT_EQ(goaway.size(), 1u);
    if (!goaway.empty()) EXPECT_EQ(goaway.back().word(4), kEnhanceYourCalm);
    EXPECT_TRUE(server.connection.finished());
    return i + 1;
  }
  return -1;
}

std::uint32_t stream_of(int i) {
  return static_cast<std::uint32_t>(2 * i + 1);
}

TEST(Flood, IsCutOffAtAKnownFrame) {
  struct Row {
    const char* why;
    std::string first;
    std::function<std::string(int)> flood;
    int frames;
  };
  const std::string open = headers(1, post(), false);
  const auto always = [](std::string bytes) { return [bytes](int) { return bytes; }; };
  const std::vector<Row> rows = {
      {"PING", "", always(ping()), 101},
      {"SETTINGS", "", always(frame(FrameType::settings, 0, 0)), 20},  // One was in the preface.
      {"PRIORITY", "", always(frame(FrameType::priority, 0, 3, number32(0) + "\x10")), 101},
      {"PRIORITY of itself", "", always(frame(FrameType::priority, 0, 3, number32(3) + "\x10")),
       101},
      {"WINDOW_UPDATE", "", always(window_update(0, 1)), 101},
      {"WINDOW_UPDATE of a stream", open, always(window_update(1, 1)), 103},
      {"empty DATA", open, always(data(1, "")), 11},
      {"padding", open, always(frame(FrameType::data, 0x8, 1, std::string("\1\0", 2))), 11},
      {"unknown frames", "", always(frame(std::uint8_t{0xfa}, 0, 0, "grease")), 101},
      {"GOAWAY", open, always(frame(FrameType::goaway, 0, 0, number32(0) + number32(0))), 103},
      {"RST_STREAM of a stream that is gone", open + rst_stream(1, kCancel),
       always(rst_stream(1, kCancel)), 101},
      {"HEADERS of a stream that is gone", open + rst_stream(1, kCancel), always(headers(1, get())),
       202},
  };
  for (const Row& row : rows) {
    for (const std::size_t piece : {kWhole, 1uz}) {
      EXPECT_EQ(frames_until_cut(row.first, row.flood, piece), row.frames) << row.why << piece;
    }
  }
}

// All the ways to make a server begin what nobody will fetch (CVE-2023-44487, CVE-2025-8671).
TEST(Flood, StreamsThatDieBeforeTheirResponseAreCounted) {
  struct Row {
    const char* why;
    std::function<std::string(int)> flood;
    int streams = 201;
  };
  const std::vector<Row> rows = {
      {"rapid reset",
       [](int i) { return headers(stream_of(i), get()) + rst_stream(stream_of(i), kCancel); }},
      {"with NO_ERROR",
       [](int i) { return headers(stream_of(i), get()) + rst_stream(stream_of(i), kNoError); }},
      {"window overflow",
       [](int i) {
         return headers(stream_of(i), get()) + window_update(stream_of(i), 0x7fff'ffff);
       }},
      {"malformed", [](int i) { return headers(stream_of(i), {{":method", "GET"}}); }},
      {"malformed for us", [](int i) { return headers(stream_of(i), get("/a#b")); }},
      {"broken length",
       [](int i) {
         Names names = post();
         names.emplace_back("content-length", "1");
         return headers(stream_of(i), names, false) + data(stream_of(i), "xx");
       }},
      {"beyond the window",
       [](int i) {
         std::string out = headers(stream_of(i), post(), false);
         for (int n = 0; n < 5; ++n) out += data(stream_of(i), std::string(16'000, 'x'));
         return out;
       }},
      {"bad trailers",
       [](int i) {
         return headers(stream_of(i), post(), false) +
                frame(FrameType::headers, kEndHeaders, stream_of(i), block({{"x", "y"}}));
       }},
  };
  const auto answer_at_once = [](Side& server) {
    server.heard.then_head = [&server](std::int32_t stream) {
      // Submitted, but never sent: the reset is in the same bytes.
      server.connection.submit_head(stream, 200, {}, true);
    };
  };
  for (const Row& row : rows) {
    EXPECT_EQ(frames_until_cut("", row.flood, kWhole), row.streams) << row.why;
  }
  EXPECT_EQ(frames_until_cut("", rows[0].flood, kWhole, answer_at_once), 201);
}

TEST(Flood, StreamsBeforeTheSettingsAreAcknowledgedAreBoundedToo) {
  Side server(Role::server);
  ASSERT_TRUE(server.hear(preface()));
  int opened = 0;
  while (opened < 1000 && server.hear(headers(stream_of(opened), post(), false))) ++opened;
  EXPECT_EQ(opened, 100 + 200);
  EXPECT_TRUE(server.connection.abuse());
}

TEST(Flood, TimePaysForSomeAndTheApplicationsOwnResetsAreFree) {
  Side server(Role::server);
  ASSERT_TRUE(server.hear(preface() + settings_ack()));
  int i = 0;
  const auto die = [&](double seconds) {
    const std::uint32_t stream = stream_of(i++);
    return server.hear(headers(stream, get()) + rst_stream(stream, kCancel), kWhole, seconds);
  };
  // 15 a second for a minute: timeouts, not an attack.
  for (int n = 0; n < 900; ++n) ASSERT_TRUE(die(n / 15.0)) << n;
  server.heard.then_head = [&](std::int32_t stream) {
    server.connection.reset(stream, kInternalError);
  };
  for (int n = 0; n < 1000; ++n) {
    ASSERT_TRUE(server.hear(headers(stream_of(i++), get()), kWhole, 60)) << n;
  }
}

TEST(Flood, CancellingADownloadIsNoCrime) {
  Side server(Role::server);
  ASSERT_TRUE(server.hear(preface() + settings_ack()));
  server.heard.then_head = [&](std::int32_t stream) {
    server.connection.submit_head(stream, 200, {}, false);
    (void)server.connection.write(stream, "some of it");
  };
  for (int i = 0; i < 3000; ++i) {
    ASSERT_TRUE(server.hear(headers(stream_of(i), get()))) << i;
    ASSERT_TRUE(server.hear(rst_stream(stream_of(i), kCancel))) << i;
  }
}

TEST(Flood, APeerThatDoesNotReadItsAnswersIsCutOff) {
  Side server(Role::client);  // The client role has no budgets, only bounds.
  EXPECT_TRUE(server.hear(frame(FrameType::settings, 0, 0)));
  std::string pings;
  for (int i = 0; i < 10'000; ++i) pings += ping();
  EXPECT_FALSE(server.connection.receive(pings, at(0)));
  EXPECT_TRUE(server.connection.abuse());
}

TEST(Bomb, AHeadAboveTheBoundIsHandedUpWithoutItsExcess) {
  Options small;
  small.head_max = 1000;
  small.fields_max = 5;
  for (const std::size_t piece : kPieces) {
    Side server(Role::server, small);
    Names large = get();
    large.emplace_back("x", std::string(1000, 'x'));
    large.emplace_back("y", "z");
    Names many = get();
    for (int i = 0; i < 6; ++i) many.emplace_back("x" + std::to_string(i), "");
    Names exact = get();
    for (int i = 0; i < 5; ++i) exact.emplace_back("x", "");
    EXPECT_TRUE(server.hear(
        preface() + headers(1, large) + headers(3, many) + headers(5, exact) + headers(7, get()),
        piece));
    EXPECT_EQ(server.heard.log, (Log{"1 GET http://a.test/ .", "1 too large", "1 end",  //
                                     "3 GET http://a.test/ x0= x1= x2= x3= x4= .", "3 too large",
                                     "3 end", "5 GET http://a.test/ x= x= x= x= x= .", "5 end",  //
                                     "7 GET http://a.test/ .", "7 end"}));
  }
}

TEST(Bomb, TheDecoderStaysInStepWithADroppedField) {
  Options small;
  small.head_max = 1000;
  Side server(Role::server, small);
  // Literal with incremental indexing (0x40): too large to keep, but the next head refers to what
  // was remembered after it (index 62).
  const std::string indexed = "\x40" + hpack_size(1) + "a" + hpack_size(900) +
                              std::string(900, 'x') + "\x40" + hpack_size(1) + "b" + hpack_size(1) +
                              "c";
  EXPECT_TRUE(server.hear(
      preface() + frame(FrameType::headers, kEndHeaders | kEndStream, 1, block(get()) + indexed)));
  EXPECT_TRUE(
      server.hear(frame(FrameType::headers, kEndHeaders | kEndStream, 3, block(get()) + "\xbe")));
  EXPECT_EQ(server.heard.log[1], "1 too large");
  EXPECT_EQ(server.heard.log[3], "3 GET http://a.test/ b=c .");
}

TEST(Bomb, OneByteThatStandsForFourThousandIsNotDecodedForLong) {
  for (const std::size_t piece : kPieces) {
    Side server(Role::server);
    const std::string remember =
        "\x40" + hpack_size(1) + "a" + hpack_size(4000) + std::string(4000, 'x');
    const std::string bomb = block(get()) + remember + std::string(10'000, '\xbe');
    EXPECT_FALSE(server.hear(
        preface() + frame(FrameType::headers, kEndHeaders | kEndStream, 1, bomb), piece));
    EXPECT_STREQ(server.connection.fault(), "field section far above the bound");
    EXPECT_TRUE(server.connection.abuse());
    const auto goaway = frames_of(server.take(), FrameType::goaway);
    ASSERT_EQ(goaway.size(), 1u);
    EXPECT_EQ(goaway[0].word(4), kEnhanceYourCalm);
    EXPECT_EQ(server.heard.log, Log{});
  }
}

TEST(Bomb, AHeadMayContinueButNotForEver) {
  const std::uint32_t allowed = continuations_max(Options{}.head_max);
  EXPECT_EQ(allowed, 12u);
  for (const std::size_t piece : kPieces) {
    const auto said = [&](std::uint32_t continuations, bool end) {
      std::string out = frame(FrameType::headers, kEndStream, 1, block(get()));
      for (std::uint32_t i = 0; i < continuations; ++i) {
        const bool last = end && i + 1 == continuations;
        out += frame(FrameType::continuation, last ? kEndHeaders : 0, 1, "");
      }
      return preface() + out;
    };
    Side good(Role::server);
    EXPECT_TRUE(good.hear(said(allowed, true), piece));
    EXPECT_EQ(good.heard.log, (Log{"1 GET http://a.test/ .", "1 end"}));
    Side bad(Role::server);
    EXPECT_FALSE(bad.hear(said(allowed + 1, false), piece));
    EXPECT_STREQ(bad.connection.fault(), "CONTINUATION flood");
    EXPECT_TRUE(bad.connection.abuse());
  }
}

// 3000 calls within one instant, so that time pays for nothing: each with a PING per answer, a
// small WINDOW_UPDATE per kilobyte, trailers, and every tenth is cancelled after its first message.
TEST(Honest, ABusyGrpcClientIsNeverCutOff) {
  Side server(Role::server);
  ASSERT_TRUE(server.hear(preface() + settings_ack() + window_update(0, 1 << 20)));
  Connection& connection = server.connection;
  server.heard.then_end = [&](std::int32_t stream) {
    connection.submit_head(stream, 200, fields_of({{"content-type", "application/grpc"}}), false);
    ASSERT_EQ(connection.write(stream, std::string(4096, 'm')), 4096u);
    connection.finish(stream, fields_of({{"grpc-status", "0"}}));
  };
  for (int i = 0; i < 3000; ++i) {
    const std::uint32_t stream = stream_of(i);
    ASSERT_TRUE(server.hear(headers(stream, post(), false) + data(stream, "request") +
                            window_update(stream, 1000) + data(stream, "", true)))
        << server.connection.fault();
    ASSERT_TRUE(server.hear(ping() + frame(FrameType::ping, kAck, 0, "answered")));
    for (int n = 0; n < 4; ++n) ASSERT_TRUE(server.hear(window_update(0, 1024)));
    if (i % 10 == 0) ASSERT_TRUE(server.hear(rst_stream(stream, kCancel)));
  }
  EXPECT_EQ(connection.fault(), nullptr);
}

TEST(Honest, AnIdleConnectionIsKeptAliveForDays) {
  Side server(Role::server);
  ASSERT_TRUE(server.hear(preface() + settings_ack()));
  for (int i = 0; i < 50'000; ++i) ASSERT_TRUE(server.hear(ping(), kWhole, 10.0 * i));
}

TEST(Honest, ALongStreamMayTakeItsTime) {
  Side server(Role::server);
  ASSERT_TRUE(server.hear(preface() + settings_ack() + headers(1, get())));
  server.connection.submit_head(1, 200, {}, false);
  server.take();
  // Each message is small, and the client opens the window by as much: one update per message and
  // window, both for the stream and for the connection.
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(server.connection.write(1, "event"), 5u);
    ASSERT_FALSE(server.take().empty());
    ASSERT_TRUE(server.hear(window_update(0, 5) + window_update(1, 5)));
  }
}

}  // namespace
}  // namespace bd::http2
