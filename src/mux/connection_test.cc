#include "mux/connection.h"

#include "mux/room_for_test.h"

namespace bd::mux {
namespace {

using http2::data;
using http2::fields_of;
using http2::get;
using http2::headers;
using http2::Names;
using http2::ping;
using http2::post;
using http2::preface;
using http2::rst_stream;
using Log = std::vector<std::string>;
using Script = rt::Task<void>;

/// Every byte says where it belongs.
std::string pattern(std::size_t size) {
  std::string out;
  for (std::size_t i = 0; out.size() < size; ++i) out += fmt::format("{},", i);
  out.resize(size);
  return out;
}

std::int32_t ask(Room& room, const Names& names, bool end) {
  return room.peer.side.connection.submit_request(fields_of(names), end);
}

// ---- What comes and goes.

TEST(MuxServer, HearsHeadBodyTrailersAndEndInOrder) {
  Room room(Role::server);
  room.run([&]() -> Script {
    http2::Connection& client = room.peer.side.connection;
    const std::int32_t id = ask(room, post(), false);
    room.goal("head", [&] { return room.came.size() == 1; });
    co_await room.reached();
    Stream& stream = *room.came.at(0).stream;
    EXPECT_EQ(room.came[0].head.method, "POST");
    EXPECT_EQ(stream.inbound(), "");
    EXPECT_FALSE(stream.ended());
    EXPECT_EQ(client.write(id, "hello "), 6u);
    room.goal("first bytes", [&] { return stream.inbound() == "hello "; });
    co_await room.reached();
    EXPECT_EQ(client.write(id, "world"), 5u);
    room.goal("more bytes", [&] { return stream.inbound() == "hello world"; });
    co_await room.reached();
    stream.consume(6);
    EXPECT_EQ(stream.inbound(), "world");
    EXPECT_FALSE(stream.ended() || stream.trailers);
    EXPECT_EQ(client.write(id, "!"), 1u);
    client.finish(id, fields_of({{"x-sum", "1"}}));
    room.goal("end", [&] { return stream.ended(); });
    co_await room.reached();
    EXPECT_EQ(stream.inbound(), "world!");
    EXPECT_EQ(stream.received(), 12u);
    EXPECT_EQ(http2::written(stream.trailers.value().fields), " x-sum=1");
    EXPECT_FALSE(stream.closed()) << "our half is open";

    stream.submit_head(200, {}, false);
    EXPECT_EQ(stream.write("answer"), 6u);
    stream.finish(fields_of({{"x-sum", "2"}}));
    room.goal("close", [&] { return stream.closed(); });
    co_await room.reached();
    EXPECT_EQ(stream.error(), Stream::kNoError);
    EXPECT_FALSE(stream.lost());
    EXPECT_EQ(room.mux->stream_count(), 0u);
    EXPECT_EQ(stream.inbound(), "world!") << "what came stays readable";
    room.goal("answer", [&] { return room.peer.heard("1 closed 0"); });
    co_await room.reached();
    EXPECT_EQ(room.peer.side.heard.log,
              (Log{"1 status 200", "1 data answer", "1 trailers x-sum=2", "1 end", "1 closed 0"}));
  });
}

TEST(MuxClient, HearsInterimHeadsThenTheResponse) {
  Room room(Role::client);
  room.run([&]() -> Script {
    http2::Connection& server = room.peer.side.connection;
    const std::shared_ptr<Stream> stream = room.mux->open(fields_of(post()), false);
    EXPECT_EQ(stream->write("question"), 8u);
    stream->finish();
    room.goal("request", [&] { return room.peer.heard("1 end"); });
    co_await room.reached();
    EXPECT_EQ(room.peer.side.heard.log, (Log{"1 POST http://a.test/", "1 data question", "1 end"}));
    server.submit_head(1, 103, {}, false);
    server.submit_head(1, 200, fields_of({{"x-name", "value"}}), false);
    EXPECT_EQ(server.write(1, "answer"), 6u);
    server.finish(1);
    room.goal("close", [&] { return stream->closed(); });
    co_await room.reached();
    EXPECT_EQ(stream->heads.size(), 2u);
    EXPECT_EQ(stream->heads.front().status, 103);
    EXPECT_EQ(stream->heads.back().status, 200);
    EXPECT_EQ(http2::written(stream->heads.back().fields), " x-name=value");
    EXPECT_EQ(stream->inbound(), "answer");
    EXPECT_TRUE(stream->ended());
    EXPECT_EQ(stream->error(), Stream::kNoError);
    EXPECT_FALSE(room.mux->over());
    EXPECT_TRUE(room.mux->can_open());
  });
}

TEST(MuxServer, BeginsWithBytesThatWereReadBefore) {
  Room room(Role::server);
  room.peer.is_raw = true;
  room.run([&]() -> Script {
    const std::string all = preface() + headers(1, get("/early"));
    room.mux->begin(all.substr(0, all.size() - 3));
    EXPECT_TRUE(room.came.empty());
    room.peer.say(all.substr(all.size() - 3));
    room.goal("the request", [&] { return room.came.size() == 1; });
    co_await room.reached();
    EXPECT_EQ(room.came.at(0).head.path, "/early");
    EXPECT_TRUE(room.came[0].stream->ended());
  });
}

// One system call per turn: the packets of this socket are the writes.
TEST(MuxServer, SaysAllOfOneTurnTogetherAtItsEnd) {
  Room room(Role::server, {}, {}, SOCK_SEQPACKET);
  room.run([&]() -> Script {
    co_await room.settle();
    for (int i = 0; i < 3; ++i) ask(room, get(), true);
    room.goal("requests", [&] { return room.came.size() == 3; });
    co_await room.reached();
    co_await room.round_trip();
    const int before = room.peer.reads;
    for (const Came& request : room.came) {
      request.stream->submit_head(200, {}, false);
      EXPECT_EQ(request.stream->write("x"), 1u);
      request.stream->finish();
    }
    room.peer.pump();
    EXPECT_EQ(room.peer.reads, before) << "the turn has not ended";
    room.goal("answers", [&] {
      return room.peer.heard("1 closed 0") && room.peer.heard("3 closed 0") &&
             room.peer.heard("5 closed 0");
    });
    co_await room.reached();
    EXPECT_EQ(room.peer.reads, before + 1);
  });
}

TEST(MuxServer, ReadsAndAnswersMegabytes) {
  Options large;
  large.stream_window = large.outbound_max = 4 << 20;
  Room room(Role::server, large, large);
  const std::string body = pattern(3 << 20);
  room.run([&]() -> Script {
    co_await room.settle();
    const std::int32_t id = ask(room, post(), false);
    EXPECT_EQ(room.peer.side.connection.write(id, body), body.size());
    room.peer.side.connection.finish(id);
    room.goal("request", [&] { return room.came.size() == 1; });
    co_await room.reached();
    Stream& stream = *room.came.at(0).stream;
    room.goal("body", [&] { return stream.ended(); });
    co_await room.reached();
    EXPECT_TRUE(stream.inbound() == body);
    stream.submit_head(200, {}, false);
    EXPECT_EQ(stream.write(stream.inbound()), body.size());
    stream.finish();
    room.goal("answer", [&] { return room.peer.heard("1 closed 0"); });
    co_await room.reached();
    EXPECT_TRUE(room.peer.heard("1 data " + body));
  });
}

// Events are edge-triggered, and none tells of what a turn has left in the socket.
TEST(MuxServer, LetsOthersHaveATurnAndThenReadsTheRest) {
  Options large;
  large.stream_window = large.outbound_max = 4 << 20;
  Room room(Role::server, large, large);
  room.run([&]() -> Script {
    co_await room.settle();
    ask(room, post(), false);
    room.goal("request", [&] { return room.came.size() == 1; });
    co_await room.reached();
    co_await room.quiet();
    const Stream& stream = *room.came.at(0).stream;
    room.peer.widen();
    EXPECT_EQ(room.peer.side.connection.write(1, std::string(4 << 20, 'x')), 4u << 20);
    room.peer.pump();
    const std::size_t sent = (4u << 20) - room.peer.outgoing.size();
    room.peer.is_deaf = true;              // It causes no more events.
    room.socket.handle().readable = true;  // As the event says.
    room.mux->on_event();
    const std::size_t first = stream.received();
    EXPECT_GT(first, 0u);
    EXPECT_LE(first, 256u << 10);
    EXPECT_LT(first, sent - (16u << 10)) << "the socket holds too little for this test";
    room.goal("the rest", [&] { return stream.received() > sent - (16u << 10); });
    co_await room.reached();
  });
}

// ---- Windows.

TEST(MuxServer, AReaderThatStopsStallsNoOtherStream) {
  Options ours, theirs;
  ours.stream_window = 1000;
  theirs.outbound_max = 1 << 20;
  Room room(Role::server, ours, theirs);
  const std::string slow = pattern(5000);
  const std::string fast = pattern(300'000);  // More than the connection's window.
  room.run([&]() -> Script {
    http2::Connection& client = room.peer.side.connection;
    co_await room.settle();
    EXPECT_EQ(ask(room, post(), false), 1);
    room.goal("the slow one", [&] { return room.came.size() == 1; });
    co_await room.reached();
    EXPECT_EQ(ask(room, post(), false), 3);
    room.goal("the fast one", [&] { return room.came.size() == 2; });
    co_await room.reached();
    EXPECT_EQ(client.write(1, slow), slow.size());
    EXPECT_EQ(client.write(3, fast), fast.size());
    client.finish(1);
    client.finish(3);
    Stream& stalled = *room.came.at(0).stream;
    Stream& other = *room.came.at(1).stream;
    std::string got;
    room.listen(room.came[1].stream, [&] {
      got += other.inbound();
      other.consume(other.inbound().size());
    });
    room.goal("the end of the fast one", [&] { return other.ended(); });
    co_await room.reached();
    EXPECT_TRUE(got == fast);
    co_await room.round_trip();
    EXPECT_EQ(stalled.received(), 1000u) << "its window is all that it may fill";

    std::string rest(stalled.inbound());
    co_await room.quiet();
    stalled.consume(rest.size());
    room.listen(room.came[0].stream, [&] {
      rest += stalled.inbound();
      stalled.consume(stalled.inbound().size());
    });
    room.goal("the end of the slow one", [&] { return stalled.ended(); });
    co_await room.reached();
    EXPECT_TRUE(rest == slow);
  });
}

TEST(MuxServer, WhatIsBeyondThePeersWindowWaitsForIt) {
  Options ours, theirs;
  ours.outbound_max = 4000;
  theirs.stream_window = 1000;
  Room room(Role::server, ours, theirs);
  const std::string body = pattern(10'000);
  room.run([&]() -> Script {
    co_await room.settle();
    ask(room, get(), true);
    room.goal("request", [&] { return room.came.size() == 1; });
    co_await room.reached();
    Stream& stream = *room.came.at(0).stream;
    EXPECT_EQ(stream.write("x"), 0u) << "no body before the head";
    stream.submit_head(200, {}, false);
    EXPECT_TRUE(stream.takes_bytes());
    std::size_t written = stream.write(body);
    EXPECT_EQ(written, 4000u);
    EXPECT_FALSE(stream.takes_bytes());
    room.goal("a window of it", [&] { return room.peer.side.heard.received == 1000; });
    co_await room.reached();
    co_await room.round_trip();
    EXPECT_EQ(room.peer.side.heard.received, 1000u);
    EXPECT_FALSE(stream.takes_bytes());
    written += stream.write(std::string_view(body).substr(written));
    EXPECT_EQ(written, 5000u) << "as much as went out is taken ahead";

    room.listen(room.came[0].stream,
                [&] { written += stream.write(std::string_view(body).substr(written)); });
    room.peer.consume_all();
    room.peer.side.connection.consume(1, 1000);
    room.goal("all of it", [&] { return room.peer.side.heard.received == body.size(); });
    co_await room.reached();
    EXPECT_GE(room.wakes, 1) << "room was told of";
    EXPECT_TRUE(stream.takes_bytes());
    stream.finish();
    room.goal("end", [&] { return room.peer.heard("1 closed 0"); });
    co_await room.reached();
    EXPECT_TRUE(room.peer.heard("1 data " + body));
  });
}

TEST(MuxServer, IsCloggedWhileThePeerDoesNotRead) {
  Options large;
  large.stream_window = large.outbound_max = 4 << 20;
  Room room(Role::server, large, large);
  const std::string body = pattern(3 << 20);
  room.run([&]() -> Script {
    co_await room.settle();
    ask(room, get(), true);
    room.goal("request", [&] { return room.came.size() == 1; });
    co_await room.reached();
    EXPECT_FALSE(room.mux->is_clogged());
    room.peer.is_deaf = true;
    Stream& stream = *room.came.at(0).stream;
    stream.submit_head(200, {}, false);
    EXPECT_EQ(stream.write(body), body.size());
    stream.finish();
    room.goal("a full socket", [&] { return room.mux->is_clogged(); });
    co_await room.reached();
    EXPECT_FALSE(stream.closed());
    const rt::Instant stuck = room.mux->last_progress();
    room.peer.is_deaf = false;
    room.goal("answer", [&] { return room.peer.heard("1 closed 0"); });
    co_await room.reached();
    EXPECT_TRUE(room.peer.heard("1 data " + body));
    EXPECT_FALSE(room.mux->is_clogged());
    EXPECT_GT(room.mux->last_progress(), stuck);
  });
}

// ---- Streams that break off.

TEST(MuxServer, APeersResetWakesWhoWaits) {
  struct Row {
    std::uint32_t said, told;
  };
  // What is broken off must not pass for complete, whatever the peer says.
  for (const Row row :
       {Row{Stream::kCancel, Stream::kCancel}, Row{Stream::kInternalError, Stream::kInternalError},
        Row{Stream::kNoError, Stream::kCancel}}) {
    SCOPED_TRACE(row.said);
    Room room(Role::server);
    room.run([&]() -> Script {
      const std::int32_t id = ask(room, post(), false);
      EXPECT_EQ(room.peer.side.connection.write(id, "half"), 4u);
      room.goal("body",
                [&] { return !room.came.empty() && room.came[0].stream->inbound() == "half"; });
      co_await room.reached();
      Stream& stream = *room.came.at(0).stream;
      room.listen(room.came[0].stream);
      room.peer.side.connection.reset(id, row.said);
      room.goal("close", [&] { return room.log == Log{"closed"}; });
      co_await room.reached();
      EXPECT_TRUE(stream.closed());
      EXPECT_EQ(stream.error(), row.told);
      EXPECT_FALSE(stream.ended() || stream.lost() || stream.refused());
      EXPECT_EQ(stream.inbound(), "half");
      EXPECT_EQ(stream.write("x"), 0u);
      EXPECT_FALSE(stream.takes_bytes());
      EXPECT_EQ(room.mux->stream_count(), 0u);
      ask(room, get("/next"), true);
      room.goal("the next", [&] { return room.came.size() == 2; });
      co_await room.reached();
      EXPECT_EQ(room.ends, 0) << "the connection goes on";
    });
  }
}

TEST(MuxClient, KnowsARefusedStreamFromACancelledOne) {
  for (const std::uint32_t code : {Stream::kRefusedStream, Stream::kCancel}) {
    SCOPED_TRACE(code);
    Room room(Role::client);
    room.run([&]() -> Script {
      const std::shared_ptr<Stream> stream = room.mux->open(fields_of(get()), true);
      room.listen(stream);
      room.goal("request", [&] { return room.peer.heard("1 end"); });
      co_await room.reached();
      EXPECT_FALSE(stream->refused());
      room.peer.side.connection.reset(1, code);
      room.goal("close", [&] { return room.log == Log{"closed"}; });
      co_await room.reached();
      EXPECT_EQ(stream->error(), code);
      EXPECT_EQ(stream->refused(), code == Stream::kRefusedStream);
      EXPECT_FALSE(stream->lost());
      EXPECT_TRUE(room.mux->can_open());
    });
  }
}

TEST(MuxServer, NobodyHearsOfAStreamThatIsGoneAlready) {
  Room room(Role::server);
  room.peer.is_raw = true;
  room.run([&]() -> Script {
    room.mux->begin(preface() + headers(1, get("/gone")) + rst_stream(1, Stream::kCancel) +
                    headers(3, get("/here")));
    co_await room.round_trip();
    EXPECT_EQ(room.came.size(), 1u);
    EXPECT_EQ(room.came.at(0).head.path, "/here");
  });
}

TEST(MuxServer, OurResetIsHeardAtBothEnds) {
  Room room(Role::server);
  room.run([&]() -> Script {
    ask(room, post(), false);
    room.goal("request", [&] { return room.came.size() == 1; });
    co_await room.reached();
    Stream& stream = *room.came.at(0).stream;
    room.listen(room.came[0].stream);
    stream.submit_head(200, {}, false);
    EXPECT_EQ(stream.write("half"), 4u);
    room.goal("half", [&] { return room.peer.heard("1 data half"); });
    co_await room.reached();
    co_await room.quiet();
    stream.reset(Stream::kInternalError);
    EXPECT_FALSE(stream.closed()) << "it is not said yet";
    room.goal("close", [&] { return room.peer.heard("1 closed 2"); });
    co_await room.reached();
    EXPECT_EQ(room.log, Log{"closed"});
    EXPECT_EQ(stream.error(), Stream::kInternalError);
    EXPECT_FALSE(stream.lost());
  });
}

// ---- The end of the connection.

TEST(MuxClient, AbandonEndsAllStreamsAndThenTheConnection) {
  Room room(Role::client);
  room.run([&]() -> Script {
    std::vector<std::shared_ptr<Stream>> streams;
    for (int i = 0; i < 3; ++i) streams.push_back(room.mux->open(fields_of(post()), false));
    for (const auto& stream : streams) room.listen(stream);
    room.goal("requests", [&] { return room.peer.side.heard.log.size() == 3; });
    co_await room.reached();
    room.mux->abandon();
    EXPECT_EQ(room.log, (Log{"closed", "closed", "closed", "end"}));
    for (const auto& stream : streams) {
      EXPECT_TRUE(stream->closed() && stream->lost());
      EXPECT_EQ(stream->error(), Stream::kInternalError);
      EXPECT_FALSE(stream->ended() || stream->refused() || stream->takes_bytes());
      EXPECT_EQ(stream->write("x"), 0u);
      stream->finish();
      stream->reset(Stream::kCancel);
    }
    EXPECT_TRUE(room.mux->over());
    EXPECT_FALSE(room.mux->can_open());
    EXPECT_EQ(room.mux->open(fields_of(get()), true), nullptr);
    EXPECT_EQ(room.mux->stream_count(), 0u);
    room.mux->abandon();
    EXPECT_EQ(room.ends, 1) << "told once";
  });
}

TEST(MuxClient, ThePeersCloseEndsAllStreamsAfterItsLastBytes) {
  Room room(Role::client);
  room.run([&]() -> Script {
    http2::Connection& server = room.peer.side.connection;
    const std::shared_ptr<Stream> whole = room.mux->open(fields_of(get()), true);
    const std::shared_ptr<Stream> half = room.mux->open(fields_of(get()), true);
    for (const auto& stream : {whole, half}) room.listen(stream);
    room.goal("requests", [&] { return room.peer.heard("1 end") && room.peer.heard("3 end"); });
    co_await room.reached();
    for (const std::int32_t id : {1, 3}) {
      server.submit_head(id, 200, {}, false);
      EXPECT_EQ(server.write(id, "bytes"), 5u);
    }
    server.finish(1);
    room.peer.pump();
    room.peer.fd.reset();
    room.goal("the end", [&] { return room.mux->over(); });
    co_await room.reached();
    EXPECT_EQ(room.log, (Log{"closed", "closed", "end"}));
    for (const auto& stream : {whole, half}) {
      EXPECT_EQ(stream->heads.size(), 1u);
      EXPECT_EQ(stream->inbound(), "bytes");
    }
    EXPECT_TRUE(whole->ended() && !whole->lost());
    EXPECT_EQ(whole->error(), Stream::kNoError);
    EXPECT_TRUE(half->lost() && !half->ended());
    EXPECT_EQ(room.mux->open(fields_of(get()), true), nullptr);
  });
}

TEST(MuxStream, OutlivesItsConnection) {
  Room room(Role::client);
  room.run([&]() -> Script {
    const std::shared_ptr<Stream> stream = room.mux->open(fields_of(post()), false);
    room.goal("request", [&] { return room.peer.side.heard.log.size() == 1; });
    co_await room.reached();
    room.peer.side.connection.submit_head(1, 200, {}, false);
    EXPECT_EQ(room.peer.side.connection.write(1, "bytes"), 5u);
    room.goal("bytes", [&] { return stream->inbound() == "bytes"; });
    co_await room.reached();
    room.mux.reset();
    EXPECT_TRUE(stream->closed());
    EXPECT_EQ(stream->write("x"), 0u);
    EXPECT_FALSE(stream->takes_bytes());
    stream->consume(2);
    EXPECT_EQ(stream->inbound(), "tes");
    stream->finish();
    stream->reset(Stream::kCancel);
  });
}

/// Whoever is told that its stream is closed lets go of the connection.
struct Held final : Owner, std::enable_shared_from_this<Held> {
  explicit Held(Room& room)
      : mux(room.reactor, room.socket, Role::client, Options{}, *this), ended(room.ends) {}
  void on_stream(std::shared_ptr<Stream>) override {}
  void on_end() override { ++ended; }
  std::shared_ptr<void> hold() override { return shared_from_this(); }
  Connection mux;
  int& ended;
};

TEST(MuxConnection, LivesUntilItHasToldAllOfItsEnd) {
  Room room(Role::client);
  room.mux.reset();
  auto held = std::make_shared<Held>(room);
  const std::weak_ptr<Held> alive = held;
  room.run([&]() -> Script {
    for (int i = 0; i < 2; ++i) {
      room.listen(held->mux.open(fields_of(get()), true), [&] { held.reset(); });
    }
    room.goal("requests", [&] { return room.peer.heard("3 end"); });
    co_await room.reached();
    room.peer.fd.reset();
    room.goal("the end", [&] { return alive.expired(); });
    co_await room.reached();
    EXPECT_EQ(room.log, (Log{"closed", "closed"}));
    EXPECT_EQ(room.ends, 1);
  });
}

// ---- Drain.

TEST(MuxServer, DrainsInTwoSteps) {
  Room room(Role::server);
  room.peer.is_raw = true;
  room.run([&]() -> Script {
    const auto goaways = [&] { return room.peer.frames(FrameType::goaway); };
    room.peer.say(preface() + headers(1, get()));
    room.goal("request", [&] { return room.came.size() == 1; });
    co_await room.reached();
    co_await room.quiet();
    room.mux->announce_shutdown();
    room.goal("announcement", [&] { return goaways().size() == 1; });
    co_await room.reached();
    EXPECT_EQ(goaways()[0].word(0), 0x7fff'ffffu);
    room.peer.say(headers(3, get("/meanwhile")));
    room.goal("one meanwhile", [&] { return room.came.size() == 2; });
    co_await room.reached();

    co_await room.quiet();
    room.mux->shutdown();
    room.goal("last call", [&] { return goaways().size() == 2; });
    co_await room.reached();
    EXPECT_EQ(goaways()[1].word(0), 3u);
    EXPECT_EQ(goaways()[1].word(4), Stream::kNoError);
    room.peer.say(headers(5, get("/late")));
    co_await room.round_trip();
    EXPECT_EQ(room.came.size(), 2u);
    for (const Came& request : room.came) {
      EXPECT_FALSE(room.mux->over() || request.stream->closed());
      request.stream->submit_head(200, {}, false);
      EXPECT_EQ(request.stream->write("whole"), 5u);
      request.stream->finish();
      room.goal("close", [&] { return request.stream->closed(); });
      co_await room.reached();
      EXPECT_EQ(request.stream->error(), Stream::kNoError);
      EXPECT_FALSE(request.stream->lost());
    }
    room.goal("the end", [&] { return room.mux->over(); });
    co_await room.reached();
    EXPECT_EQ(room.ends, 1);
    EXPECT_FALSE(room.mux->abuse());
    room.goal("answers", [&] { return room.peer.frames(FrameType::data).size() >= 2; });
    co_await room.reached();
  });
}

TEST(MuxClient, OpensNothingOnceEitherSideSaidGoaway) {
  for (const bool is_ours : {true, false}) {
    SCOPED_TRACE(is_ours);
    Room room(Role::client);
    room.run([&]() -> Script {
      http2::Connection& server = room.peer.side.connection;
      const std::shared_ptr<Stream> stream = room.mux->open(fields_of(get()), true);
      room.goal("request", [&] { return room.peer.heard("1 end"); });
      co_await room.reached();
      EXPECT_TRUE(room.mux->can_open());
      if (is_ours) {
        room.mux->shutdown();
      } else {
        server.shutdown();
      }
      room.goal("no more", [&] { return !room.mux->can_open(); });
      co_await room.reached();
      EXPECT_EQ(room.mux->open(fields_of(get()), true), nullptr);
      EXPECT_EQ(room.mux->stream_count(), 1u);
      EXPECT_FALSE(room.mux->over() || stream->closed());
      server.submit_head(1, 200, {}, false);
      EXPECT_EQ(server.write(1, "whole"), 5u);
      server.finish(1);
      room.goal("the end", [&] { return room.mux->over(); });
      co_await room.reached();
      EXPECT_EQ(stream->inbound(), "whole");
      EXPECT_TRUE(stream->ended() && !stream->lost());
      EXPECT_EQ(stream->error(), Stream::kNoError);
      EXPECT_EQ(room.ends, 1);
    });
  }
}

// ---- Peers that misbehave.

TEST(MuxServer, ASpentBudgetIsAbuseAndABrokenRuleIsNot) {
  std::string pings;
  for (int i = 0; i < 500; ++i) pings += ping();
  struct Row {
    const char* name;
    std::string bytes;
    std::uint32_t code;
    bool abuse;
  };
  const Row rows[] = {
      {"PING flood", pings, http2::kEnhanceYourCalm, true},
      {"frame after the end of its stream", data(1, "x"), http2::kStreamClosed, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Room room(Role::server);
    room.peer.is_raw = true;
    room.run([&]() -> Script {
      room.peer.say(preface() + headers(1, get()));
      room.goal("request", [&] { return room.came.size() == 1; });
      co_await room.reached();
      room.listen(room.came.at(0).stream);
      room.peer.say(row.bytes + headers(3, get("/after")));
      room.goal("the end", [&] { return room.mux->over(); });
      co_await room.reached();
      EXPECT_EQ(room.mux->abuse(), row.abuse);
      EXPECT_EQ(room.log, (Log{"closed", "end"}));
      EXPECT_EQ(room.came[0].stream->error(), row.code);
      EXPECT_EQ(room.came.size(), 1u) << "nothing is heard after it";
      room.goal("farewell", [&] { return room.peer.frames(FrameType::goaway).size() == 1; });
      co_await room.reached();
      EXPECT_EQ(room.peer.frames(FrameType::goaway)[0].word(4), row.code);
    });
  }
}

// ---- Waiters.

TEST(MuxConnection, WakesAllWhoWait) {
  Room room(Role::client);
  room.run([&]() -> Script {
    for (int i = 0; i < 3; ++i) room.listen(room.mux->open(fields_of(post()), false));
    const std::shared_ptr<Stream> alone = room.mux->open(fields_of(post()), false);
    room.goal("requests", [&] { return room.peer.side.heard.log.size() == 4; });
    co_await room.reached();
    EXPECT_EQ(room.wakes, 0) << "no news";
    room.mux->wake_all();
    EXPECT_EQ(room.wakes, 3);
    EXPECT_TRUE(room.log.empty()) << "nothing is closed";
  });
}

TEST(MuxStream, OnlyItsOwnNewsWakesIt) {
  Room room(Role::server);
  room.run([&]() -> Script {
    EXPECT_EQ(ask(room, post(), false), 1);
    room.goal("the first", [&] { return room.came.size() == 1; });
    co_await room.reached();
    EXPECT_EQ(ask(room, post(), false), 3);
    room.goal("the second", [&] { return room.came.size() == 2; });
    co_await room.reached();
    int first = 0, second = 0;
    room.listen(room.came[0].stream, [&] { ++first; });
    room.listen(room.came[1].stream, [&] { ++second; });
    EXPECT_EQ(room.peer.side.connection.write(1, "x"), 1u);
    room.peer.side.connection.finish(1);
    room.goal("news", [&] { return first > 0; });
    co_await room.reached();
    co_await room.round_trip();
    EXPECT_EQ(first, 1) << "bytes and end came together";
    EXPECT_TRUE(room.came[0].stream->ended());
    EXPECT_EQ(second, 0);
    EXPECT_EQ(room.came[0].stream->inbound(), "x");
    EXPECT_EQ(room.came[1].stream->inbound(), "");
  });
}

}  // namespace
}  // namespace bd::mux
