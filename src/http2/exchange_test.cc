// Two Connections talk, cut into pieces of every size: what one says is what the other hears.
#include <gtest/gtest.h>

#include "http2/peer_for_test.h"

namespace bd::http2 {
namespace {

using Log = std::vector<std::string>;

std::int32_t ask(Side& client, const Names& names, bool end = true) {
  return client.connection.submit_request(fields_of(names), end);
}

TEST(Exchange, CarriesARequestAndItsResponseHoweverItIsCut) {
  for (const std::size_t piece : kPieces) {
    SCOPED_TRACE(piece);
    Pair pair;
    pair.server.heard.then_end = [&](std::int32_t stream) {
      Connection& server = pair.server.connection;
      server.submit_head(stream, 200, fields_of({{"content-type", "text/plain"}}), false);
      EXPECT_EQ(server.write(stream, "hello"), 5u);
      server.finish(stream);
      server.finish(stream);
      EXPECT_EQ(server.write(stream, "too late"), 0u);
    };
    Names names = get("/x?y");
    names.emplace_back("accept", "*/*");
    EXPECT_EQ(ask(pair.client, names), 1);
    pair.run(piece);
    EXPECT_EQ(pair.server.heard.log,
              (Log{"1 GET http://a.test/x?y accept=*/* .", "1 end", "1 closed 0"}));
    EXPECT_EQ(pair.client.heard.log,
              (Log{"1 status 200 content-type=text/plain", "1 data hello", "1 end", "1 closed 0"}));
    EXPECT_EQ(pair.client.connection.open_streams(), 0u);
    EXPECT_EQ(pair.server.connection.fault(), nullptr);
  }
}

TEST(Exchange, CarriesBodiesAndTrailersBothWays) {
  const std::string body(20'000, 'b');
  for (const std::size_t piece : kPieces) {
    SCOPED_TRACE(piece);
    Pair pair;
    pair.server.heard.then_end = [&](std::int32_t stream) {
      Connection& server = pair.server.connection;
      server.submit_head(stream, 200, {}, false);
      EXPECT_EQ(server.write(stream, body), body.size());
      server.finish(stream, fields_of({{"grpc-status", "0"}}));
    };
    const std::int32_t stream = ask(pair.client, post(), false);
    EXPECT_EQ(pair.client.connection.write(stream, body), body.size());
    pair.run(piece);
    pair.client.connection.finish(stream, fields_of({{"x-sum", "1"}}));
    pair.run(piece);
    EXPECT_EQ(pair.server.heard.log, (Log{"1 POST http://a.test/", "1 data " + body,
                                          "1 trailers x-sum=1", "1 end", "1 closed 0"}));
    EXPECT_EQ(pair.client.heard.log, (Log{"1 status 200", "1 data " + body,
                                          "1 trailers grpc-status=0", "1 end", "1 closed 0"}));
  }
}

TEST(Exchange, ATrailerSectionNeedsNoBody) {
  Pair pair;
  pair.server.heard.then_end = [&](std::int32_t stream) {
    pair.server.connection.submit_head(stream, 200, {}, false);
    pair.server.connection.finish(stream, fields_of({{"grpc-status", "12"}}));
  };
  ask(pair.client, get());
  pair.run();
  EXPECT_EQ(pair.client.heard.log,
            (Log{"1 status 200", "1 trailers grpc-status=12", "1 end", "1 closed 0"}));
}

TEST(Exchange, InterimResponsesComeBeforeTheFinalOne) {
  for (const std::size_t piece : kPieces) {
    Pair pair;
    pair.server.heard.then_head = [&](std::int32_t stream) {
      Connection& server = pair.server.connection;
      server.submit_head(stream, 100, {}, false);
      server.submit_head(stream, 103, fields_of({{"link", "</a>"}}), false);
      EXPECT_EQ(server.write(stream, "too early"), 0u);
      server.submit_head(stream, 204, {}, true);
      server.submit_head(stream, 500, {}, true);  // There is one final head.
    };
    ask(pair.client, get());
    pair.run(piece);
    EXPECT_EQ(pair.client.heard.log, (Log{"1 status 100", "1 status 103 link=</a>",
                                          "1 status 204 .", "1 end", "1 closed 0"}));
  }
}

TEST(Exchange, ExtendedConnectIsHandedUpAndPlainConnectToo) {
  Pair pair;
  pair.run();
  ask(pair.client,
      {{":method", "CONNECT"},
       {":protocol", "websocket"},
       {":scheme", "https"},
       {":authority", "a.test"},
       {":path", "/chat"}},
      false);
  ask(pair.client, {{":method", "CONNECT"}, {":authority", "a.test:443"}}, false);
  pair.run();
  EXPECT_EQ(pair.server.heard.log,
            (Log{"1 CONNECT https://a.test/chat (websocket)", "3 CONNECT ://a.test:443"}));
}

TEST(Exchange, CookieCrumbsBecomeOneField) {
  Side server(Role::server);
  Names names = get();
  for (const char* crumb : {"", "a=1", "b=2", "", "c=3", ""}) names.emplace_back("cookie", crumb);
  names.emplace_back("accept", "*/*");
  EXPECT_TRUE(server.hear(preface() + headers(1, names)));
  EXPECT_EQ(server.heard.log.front(), "1 GET http://a.test/ accept=*/* cookie=a=1; b=2; c=3 .");
}

TEST(Flow, AStalledStreamDoesNotStallTheOthers) {
  Options small;
  small.stream_window = 10'000;
  small.streams_max = 2;  // So the connection's window is the least there is: 65 535.
  Side server(Role::server, small);
  std::string bytes = preface() + settings_ack() + headers(1, post(), false);
  EXPECT_TRUE(server.hear(bytes + data(1, std::string(10'000, 'x'))));
  // Nobody consumes stream 1. Far more than the connection's window passes on stream 3.
  EXPECT_TRUE(server.hear(headers(3, post(), false)));
  server.heard.then_data = [&](std::int32_t stream, std::size_t n) {
    if (stream == 3) server.connection.consume(stream, n);
  };
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(server.hear(data(3, std::string(8'000, 'y'))));
  EXPECT_EQ(server.heard.received, 10'000u + 800'000u);

  server.take();
  server.connection.consume(1, 10'000);
  const auto updates = frames_of(server.take(), FrameType::window_update);
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_EQ(updates[0].head.stream, 1u);
  EXPECT_EQ(updates[0].word(0), 10'000u);
}

TEST(Flow, MoreThanTheWindowIsAnErrorOfTheStream) {
  Options small;
  small.stream_window = 1000;
  Side server(Role::server, small);
  EXPECT_TRUE(server.hear(preface() + settings_ack() + headers(1, post(), false)));
  EXPECT_TRUE(server.hear(data(1, std::string(1001, 'x'))));
  const auto resets = frames_of(server.take(), FrameType::rst_stream);
  ASSERT_EQ(resets.size(), 1u);
  EXPECT_EQ(resets[0].word(0), kFlowControlError);
  EXPECT_EQ(server.heard.log.back(), "1 closed 3");
}

TEST(Flow, WhatWaitsForThePeerIsBoundedAndThenThereIsRoom) {
  Options tight;
  tight.outbound_max = 100'000;
  Side server(Role::server, tight);
  EXPECT_TRUE(server.hear(preface() + headers(1, get())));
  Connection& connection = server.connection;
  connection.submit_head(1, 200, {}, false);
  const std::string body(150'000, 'x');
  EXPECT_EQ(connection.write(1, body), 100'000u);
  EXPECT_EQ(connection.write(1, body), 0u);
  server.take();
  EXPECT_EQ(connection.outbound(1), 100'000u - 65'535u);  // The initial window.
  EXPECT_EQ(server.heard.log.back(), "1 writable");
  EXPECT_EQ(std::count(server.heard.log.begin(), server.heard.log.end(), "1 writable"), 1);
  EXPECT_EQ(connection.write(1, body), 65'535u);
  EXPECT_TRUE(server.hear(window_update(0, 1'000'000) + window_update(1, 1'000'000)));
  EXPECT_EQ(connection.outbound(1), 0u);
  EXPECT_EQ(std::count(server.heard.log.begin(), server.heard.log.end(), "1 writable"), 2);
}

TEST(Flow, PullStopsNearItsBoundAndGoesOnThere) {
  Side server(Role::server);
  EXPECT_TRUE(server.hear(preface() + headers(1, get())));
  server.take();
  server.connection.submit_head(1, 200, {}, false);
  const std::string body(60'000, 'x');
  EXPECT_EQ(server.connection.write(1, body), body.size());
  server.connection.finish(1);
  std::string all;
  for (std::string some; server.connection.pull(some, 20'000); some.clear()) {
    EXPECT_LE(some.size(), 20'000u + 16'384u + 9u);
    all += some;
  }
  std::string got;
  for (const Seen& seen : frames_of(all, FrameType::data)) {
    EXPECT_LE(seen.payload.size(), 16'384u);
    got += seen.payload;
  }
  EXPECT_EQ(got, body);
}

TEST(Flow, StreamsTakeTurns) {
  Side server(Role::server);
  EXPECT_TRUE(
      server.hear(preface() + window_update(0, 1'000'000) + headers(1, get()) + headers(3, get())));
  for (const int stream : {1, 3}) {
    server.connection.submit_head(stream, 200, {}, false);
    EXPECT_EQ(server.connection.write(stream, std::string(60'000, 'x')), 60'000u);
  }
  std::vector<std::uint32_t> order;
  for (const Seen& seen : frames_of(server.take(), FrameType::data)) {
    order.push_back(seen.head.stream);
  }
  ASSERT_GE(order.size(), 4u);
  EXPECT_NE(order[0], order[1]);
  EXPECT_NE(order[1], order[2]);
}

// Our own setting picks the scheduler of nghttp2, and not what the server thinks of priorities.
TEST(Flow, RequestsTakeTurnsWhateverTheServerSays) {
  for (const std::uint32_t ignores_priorities : {0u, 1u}) {
    Side client(Role::client);
    EXPECT_TRUE(client.hear(
        frame(FrameType::settings, 0, 0, std::string("\0\x9", 2) + number32(ignores_priorities)) +
        window_update(0, 1'000'000)));
    for (const int stream : {1, 3, 5}) {
      EXPECT_EQ(ask(client, post(), false), stream);
      EXPECT_EQ(client.connection.write(stream, std::string(50'000, 'x')), 50'000u);
      client.connection.finish(stream);
    }
    std::string all;
    for (std::string some; client.connection.pull(some, 10'000); some.clear()) all += some;
    std::vector<std::uint32_t> order;
    for (const Seen& seen : frames_of(all, FrameType::data)) {
      order.push_back(seen.head.stream);
    }
    ASSERT_EQ(order.size(), 12u);  // 50 000 bytes are four frames each.
    std::vector<std::uint32_t> firsts(order.begin(), order.begin() + 3);
    std::sort(firsts.begin(), firsts.end());
    EXPECT_EQ(firsts, (std::vector<std::uint32_t>{1, 3, 5}));
    EXPECT_EQ(client.connection.outbound(1) + client.connection.outbound(5), 0u);
  }
}

TEST(Reset, OfTheStreamWithinItsOwnCallbackIsSafe) {
  for (const std::size_t piece : kPieces) {
    Side server(Role::server);
    server.heard.then_head = [&](std::int32_t stream) {
      if (stream == 1) server.connection.reset(stream, kCancel);
    };
    server.heard.then_data = [&](std::int32_t stream, std::size_t) {
      server.connection.reset(stream, kInternalError);
    };
    EXPECT_TRUE(server.hear(preface() + headers(1, post(), false) + data(1, "a", true) +
                                headers(3, post(), false) + data(3, "bc") + data(3, "d", true),
                            piece));
    server.take();
    const Log& log = server.heard.log;
    EXPECT_EQ(std::count(log.begin(), log.end(), "1 closed 8"), 1);
    EXPECT_EQ(std::count(log.begin(), log.end(), "3 closed 2"), 1);
    EXPECT_EQ(std::count(log.begin(), log.end(), "1 end"), 0);
    EXPECT_EQ(std::count(log.begin(), log.end(), "3 end"), 0);
    EXPECT_FALSE(server.connection.abuse());
  }
}

TEST(Reset, WithoutErrorLetsTheResponseOutFirst) {
  Side server(Role::server);
  EXPECT_TRUE(server.hear(preface() + headers(1, post(), false)));
  server.connection.submit_head(1, 413, {}, false);
  EXPECT_EQ(server.connection.write(1, "too much"), 8u);
  server.connection.finish(1);
  server.connection.reset(1, kNoError);
  std::vector<int> types;
  for (const Seen& seen : frames_of(server.take())) {
    if (seen.head.stream == 1) types.push_back(seen.head.type);
  }
  EXPECT_EQ(types, (std::vector<int>{1, 0, 3}));  // HEADERS, DATA, RST_STREAM.
  EXPECT_EQ(server.heard.log.back(), "1 closed 0");
}

TEST(Reset, EveryOpenStreamHearsOfAFailedConnectionOnce) {
  Side server(Role::server);
  EXPECT_TRUE(server.hear(preface() + headers(1, post(), false) + headers(3, get())));
  EXPECT_FALSE(server.hear(data(0, "x")));
  const Log& log = server.heard.log;
  EXPECT_EQ(std::count(log.begin(), log.end(), "1 closed 1"), 1);
  EXPECT_EQ(std::count(log.begin(), log.end(), "3 closed 1"), 1);
  EXPECT_STREQ(server.connection.fault(), "protocol error");
  EXPECT_FALSE(server.connection.abuse());
  EXPECT_TRUE(server.connection.finished());
  EXPECT_FALSE(server.hear(ping()));
}

}  // namespace
}  // namespace bd::http2
