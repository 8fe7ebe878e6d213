// How connections end in good order, and what a client may open.
#include <gtest/gtest.h>

#include "http2/peer_for_test.h"

namespace bd::http2 {
namespace {

using Log = std::vector<std::string>;

TEST(Shutdown, IsAnnouncedFirstAndThenCountsTheLastStream) {
  Side server(Role::server);
  EXPECT_TRUE(server.hear(preface() + headers(1, get())));
  server.take();
  server.connection.announce_shutdown();
  const auto first = frames_of(server.take(), FrameType::goaway);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].word(0), 0x7fff'ffffu);
  EXPECT_EQ(first[0].word(4), kNoError);

  EXPECT_TRUE(server.hear(headers(3, get("/late"))));  // Still served.
  server.connection.shutdown();
  server.connection.shutdown();
  const auto second = frames_of(server.take(), FrameType::goaway);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].word(0), 3u);

  EXPECT_TRUE(server.hear(headers(5, get("/too-late"))));
  EXPECT_EQ(server.heard.log,
            (Log{"1 GET http://a.test/ .", "1 end", "3 GET http://a.test/late .", "3 end"}));
  for (const int stream : {1, 3}) {
    EXPECT_FALSE(server.connection.finished());
    server.connection.submit_head(stream, 200, {}, true);
    server.take();
  }
  EXPECT_TRUE(server.connection.finished());
  EXPECT_EQ(server.connection.fault(), nullptr);
}

TEST(Shutdown, AClientMayRetryWhatTheServerDidNotSee) {
  Side client(Role::client);
  const auto names = get();
  for (int i = 0; i < 3; ++i) {
    EXPECT_GT(client.connection.submit_request(fields_of(names), true), 0);
  }
  client.take();
  EXPECT_EQ(client.connection.submit_request(fields_of(names), true), 7);  // Not sent yet.
  EXPECT_TRUE(client.hear(frame(FrameType::settings, 0, 0) +
                          frame(FrameType::goaway, 0, 0, number32(1) + number32(kNoError))));
  client.take();
  std::sort(client.heard.log.begin(), client.heard.log.end());
  EXPECT_EQ(client.heard.log, (Log{"3 closed 7", "5 closed 7", "7 closed 7"}));
  EXPECT_TRUE(client.connection.peer_going_away());
  EXPECT_FALSE(client.connection.can_open());
  EXPECT_EQ(client.connection.submit_request(fields_of(names), true), -1);
  EXPECT_FALSE(client.connection.finished());
  EXPECT_TRUE(client.hear(headers(1, {{":status", "200"}})));
  EXPECT_EQ(client.heard.log.back(), "1 closed 0");
  EXPECT_TRUE(client.connection.finished());
}

TEST(Shutdown, AClientThatLeavesIsLetGo) {
  Side server(Role::server);
  EXPECT_TRUE(server.hear(preface() + headers(1, get()) +
                          frame(FrameType::goaway, 0, 0, number32(0) + number32(kNoError))));
  EXPECT_TRUE(server.connection.peer_going_away());
  EXPECT_FALSE(server.connection.finished());
  server.connection.submit_head(1, 200, {}, true);
  server.take();
  EXPECT_TRUE(server.connection.finished());
  EXPECT_EQ(server.connection.fault(), nullptr);
}

TEST(Client, OpensNoMoreThanTheServerAllows) {
  Side client(Role::client);
  EXPECT_TRUE(client.hear(frame(FrameType::settings, 0, 0, std::string("\0\3", 2) + number32(2))));
  EXPECT_EQ(client.connection.submit_request(fields_of(get()), true), 1);
  EXPECT_EQ(client.connection.submit_request(fields_of(get()), true), 3);
  EXPECT_FALSE(client.connection.can_open());
  EXPECT_EQ(client.connection.submit_request(fields_of(get()), true), -1);
  client.take();
  EXPECT_TRUE(client.hear(headers(1, {{":status", "200"}})));
  EXPECT_TRUE(client.connection.can_open());
}

TEST(Client, ToleratesAServerThatPings) {
  Side client(Role::client);
  EXPECT_TRUE(client.hear(frame(FrameType::settings, 0, 0)));
  for (int i = 0; i < 5000; ++i) ASSERT_TRUE(client.hear(ping()));
  EXPECT_EQ(client.connection.fault(), nullptr);
}

TEST(Client, WantsNoPush) {
  Side client(Role::client);
  EXPECT_EQ(client.connection.submit_request(fields_of(get()), true), 1);
  client.take();
  EXPECT_FALSE(
      client.hear(frame(FrameType::settings, 0, 0) +
                  frame(FrameType::push_promise, kEndHeaders, 1, number32(2) + block(get()))));
  EXPECT_STREQ(client.connection.fault(), "pushed stream");
  EXPECT_EQ(client.heard.log, (Log{"1 closed 1"}));
}

TEST(Client, CancelsARequestThatIsNotSentYet) {
  Side client(Role::client);
  EXPECT_EQ(client.connection.submit_request(fields_of(get()), true), 1);
  client.connection.reset(1, kCancel);
  EXPECT_TRUE(frames_of(client.take().substr(24), FrameType::headers).empty());
  EXPECT_EQ(client.heard.log, (Log{"1 closed 8"}));
}

TEST(Settings, SayWhatWeAllow) {
  Options options;
  options.streams_max = 7;
  options.head_max = 1234;
  const auto of = [](const Side& side, std::string bytes) {
    (void)side;
    std::vector<std::pair<int, std::uint32_t>> out;
    for (const Seen& seen : frames_of(bytes, FrameType::settings)) {
      for (std::size_t i = 0; i < seen.payload.size(); i += 6) {
        out.emplace_back(seen.payload[i + 1], seen.word(i + 2));
      }
    }
    return out;
  };
  using Settings = std::vector<std::pair<int, std::uint32_t>>;
  Side server(Role::server, options);
  EXPECT_EQ(of(server, server.take()), (Settings{{3, 7}, {4, 65536}, {6, 1234}, {9, 1}, {8, 1}}));
  Side client(Role::client, options);
  EXPECT_EQ(of(client, client.take().substr(24)),
            (Settings{{3, 0}, {4, 65536}, {6, 1234}, {2, 0}}));
}

}  // namespace
}  // namespace bd::http2
