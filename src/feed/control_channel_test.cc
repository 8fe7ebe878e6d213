#include "feed/control_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstring>

namespace bd::feed {
namespace {

struct Channel : testing::Test {
  ChannelPair pair = make_channel();
  Received got;

  ReceiveStatus receive_one() { return receive(pair.child.get(), got); }
  void send_raw(const void* bytes, std::size_t size, std::initializer_list<int> fds = {}) {
    iovec part{const_cast<void*>(bytes), size};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))]{};
    if (fds.size() > 0) {
      header.msg_control = control;
      header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(rights), std::data(fds), fds.size() * sizeof(int));
    }
    ASSERT_GE(::sendmsg(pair.supervisor.get(), &header, 0), 0);
  }
};

/// How many descriptors this process has open: surplus ones must not stay.
int open_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 256; ++fd) count += ::fcntl(fd, F_GETFD) >= 0;
  return count;
}

TEST_F(Channel, ARecordArrivesWithItsDescriptorAndItsListeners) {
  Message sent = Message::make(Record::want_door, "external-http");
  sent.generation = 77;
  sent.milliseconds = 500;
  ASSERT_TRUE(sent.add_listener("main", *SocketAddress::parse("[::1]:10002")));
  ASSERT_TRUE(send(pair.supervisor.get(), sent, STDERR_FILENO));

  ASSERT_EQ(receive_one(), ReceiveStatus::ok);
  EXPECT_EQ(got.message.record, Record::want_door);
  EXPECT_EQ(got.message.door_name(), "external-http");
  EXPECT_EQ(got.message.generation, 77u);
  EXPECT_EQ(got.message.milliseconds, 500u);
  const auto listener = got.message.listener(0);
  ASSERT_TRUE(listener);
  EXPECT_EQ(listener->name, "main");
  EXPECT_EQ(listener->address.text(), "[::1]:10002");
  EXPECT_FALSE(got.message.listener(1));
  ASSERT_TRUE(got.fd);
  EXPECT_EQ(::fcntl(got.fd.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(receive_one(), ReceiveStatus::again);
}

TEST_F(Channel, APeerThatIsGoneIsSeenFromBothSides) {
  pair.supervisor.reset();
  EXPECT_EQ(receive_one(), ReceiveStatus::closed);
  EXPECT_FALSE(send(pair.child.get(), Message::make(Record::door_started, "a")));
}

TEST_F(Channel, TheLastRecordArrivesThoughItsSenderHadNotReadAll) {
  ASSERT_TRUE(send(pair.supervisor.get(), Message::make(Record::drain, "lab")));
  ASSERT_TRUE(send(pair.child.get(), Message::make(Record::door_drained, "lab")));
  pair.child.reset();
  EXPECT_EQ(receive(pair.supervisor.get(), got), ReceiveStatus::ok);
  EXPECT_EQ(got.message.record, Record::door_drained);
  EXPECT_EQ(receive(pair.supervisor.get(), got), ReceiveStatus::closed);
}

TEST_F(Channel, RecordsThatAreNotWellFormedAreDroppedAndTheNextOneArrives) {
  const Message good = Message::make(Record::drain, "a");
  const std::size_t size = offsetof(Message, listeners);
  struct Case {
    const char* why;
    void (*spoil)(Message&);
    std::size_t size;
  };
  const Case cases[] = {
      {"another version", [](Message& m) { m.version = 2; }, size},
      {"unknown record", [](Message& m) { m.record = static_cast<Record>(99); }, size},
      {"unterminated name", [](Message& m) { m.door.fill('x'); }, size},
      {"too short", [](Message&) {}, size - 1},
      {"too long", [](Message&) {}, size + 1},
      {"one byte", [](Message&) {}, 1},
      {"fewer listeners than it says", [](Message& m) { m.listener_count = 1; }, size},
      {"more listeners than there can be", [](Message& m) { m.listener_count = 17; },
       sizeof(Message)},
      {"a count that overflows", [](Message& m) { m.listener_count = 0xffffffff; },
       sizeof(Message)},
      {"an unterminated listener",
       [](Message& m) {
         m.listener_count = 1;
         m.listeners[0].address.fill('1');
       },
       size + sizeof(ListenerSpec)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.why);
    Message bad = good;
    c.spoil(bad);
    send_raw(&bad, c.size);
    EXPECT_EQ(receive_one(), ReceiveStatus::dropped);
    EXPECT_TRUE(send(pair.supervisor.get(), good));
    EXPECT_EQ(receive_one(), ReceiveStatus::ok);
  }
}

TEST_F(Channel, SurplusDescriptorsAreClosed) {
  const Message message = Message::make(Record::snapshot, "a");
  const int before = open_descriptors();
  for (const auto& fds : {std::initializer_list<int>{1, 2}, {1, 2, 1, 2, 1}}) {
    send_raw(&message, offsetof(Message, listeners), fds);
    EXPECT_EQ(receive_one(), ReceiveStatus::dropped);
    EXPECT_FALSE(got.fd);
    EXPECT_EQ(open_descriptors(), before);
  }
  send_raw("x", 1, {1});
  EXPECT_EQ(receive_one(), ReceiveStatus::dropped);
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Channel, NamesAndListenersBeyondTheBoundAreRefused) {
  Message message = Message::make(Record::want_door, std::string(63, 'n'));
  EXPECT_EQ(message.door_name().size(), 63u);
  const SocketAddress address = *SocketAddress::parse("127.0.0.1:1");
  EXPECT_FALSE(message.add_listener(std::string(64, 'n'), address));
  for (std::size_t i = 0; i < message.listeners.size(); ++i) {
    EXPECT_TRUE(message.add_listener("main", address));
  }
  EXPECT_FALSE(message.add_listener("main", address));
  ASSERT_TRUE(send(pair.supervisor.get(), message));
  EXPECT_EQ(receive_one(), ReceiveStatus::ok);
  EXPECT_EQ(got.message.listener_count, message.listeners.size());
}

TEST_F(Channel, HoldsWhatAControllerGetsAtItsStartBeforeItReads) {
  // Two records, each with a descriptor, for as many doors as there can be.
  for (std::uint32_t i = 0; i < 2 * model::kDoorsMax; ++i) {
    ASSERT_TRUE(send(pair.supervisor.get(), Message::make(Record::feed_socket, "door"), 1)) << i;
  }
}

TEST_F(Channel, AFullQueueIsAnErrorAfterASecond) {
  int sent = 0;
  while (send(pair.supervisor.get(), Message::make(Record::drain, "door"))) {
    ASSERT_LT(++sent, 10000);
  }
  EXPECT_GT(sent, 64);
}

}  // namespace
}  // namespace bd::feed
