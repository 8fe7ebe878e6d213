#include "app/listen.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

namespace bd::app {
namespace {

SocketAddress loopback(std::uint16_t port) {
  return {IpAddress::v4({127, 0, 0, 1}), port};
}

UniqueFd connect_to(const SocketAddress& address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  std::memcpy(&to.sin_addr, address.ip.bytes().data(), 4);
  return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 ? std::move(fd)
                                                                               : UniqueFd();
}

TEST(ListenOn, GivesOneSocketPerWorkerOnOnePortAndEveryOneGetsConnections) {
  const auto sockets = listen_on(loopback(0), 4);
  ASSERT_TRUE(sockets) << sockets.error();
  ASSERT_EQ(sockets->size(), 4u);
  const SocketAddress address = local_address(sockets->front().get());
  std::vector<pollfd> polled;
  for (const UniqueFd& fd : *sockets) {
    EXPECT_EQ(local_address(fd.get()), address);
    EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_NE(::fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
    polled.push_back({fd.get(), POLLIN, 0});
  }
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(connect_to(address));
  ASSERT_EQ(::poll(polled.data(), polled.size(), 0), 4);
  const UniqueFd accepted(::accept4(polled[0].fd, nullptr, nullptr, 0));
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  ::getsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
  EXPECT_NE(no_delay, 0) << "accepted connections inherit it";
}

TEST(ListenOn, ASecondProcessOnThePortIsAnErrorThatNamesIt) {
  const auto first = listen_on(loopback(0), 2);
  ASSERT_TRUE(first);
  const SocketAddress address = local_address(first->front().get());
  for (const SocketAddress& taken : {address, SocketAddress{IpAddress{}, address.port}}) {
    const auto second = listen_on(taken, 2);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find(taken.text()), std::string::npos) << second.error();
    EXPECT_NE(second.error().find("another process"), std::string::npos) << second.error();
  }
}

TEST(ListenOn, ConnectionsOfAnEarlierRunAreNoHindrance) {
  auto first = listen_on(loopback(0), 2);
  ASSERT_TRUE(first);
  const SocketAddress address = local_address(first->front().get());
  UniqueFd client = connect_to(address);
  UniqueFd server(::accept4(first->front().get(), nullptr, nullptr, 0));
  if (!server) server.reset(::accept4(first->back().get(), nullptr, nullptr, 0));
  ASSERT_TRUE(server);
  server.reset();  // The side that closes first holds the port in TIME_WAIT.
  client.reset();
  first->clear();
  EXPECT_TRUE(listen_on(address, 2));
}

TEST(Unlisten, LosesNoConnectionThatHasBegunAndBeginsNoOther) {
  auto sockets = listen_on(loopback(0), 1);
  ASSERT_TRUE(sockets);
  const UniqueFd& listener = sockets->front();
  const SocketAddress address = local_address(listener.get());
  const UniqueFd before = connect_to(address);
  unlisten(listener.get());

  const UniqueFd after(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(::connect(after.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  pollfd connected{after.get(), POLLOUT, 0};
  EXPECT_EQ(::poll(&connected, 1, 50), 0);

  const UniqueFd accepted(::accept4(listener.get(), nullptr, nullptr, 0));
  ASSERT_TRUE(accepted);
  EXPECT_EQ(::send(before.get(), "x", 1, MSG_NOSIGNAL), 1);
  char byte = 0;
  EXPECT_EQ(::recv(accepted.get(), &byte, 1, 0), 1) << "what was accepted works on";
  EXPECT_FALSE(UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK)));
  sockets->clear();
  EXPECT_FALSE(connect_to(address));
}

TEST(ListenOn, SpeaksBothFamilies) {
  const auto v6 =
      listen_on({IpAddress::v6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}), 0}, 2);
  if (!v6) GTEST_SKIP() << v6.error();
  EXPECT_FALSE(local_address(v6->front().get()).ip.is_v4());
}

TEST(ListenOn, AnAddressOfAnotherHostIsAnError) {
  const auto foreign = listen_on({IpAddress::v4({192, 0, 2, 1}), 0}, 1);
  ASSERT_FALSE(foreign);
  EXPECT_NE(foreign.error().find("192.0.2.1:0"), std::string::npos);
}

}  // namespace
}  // namespace bd::app
