#include "admin/server.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <thread>

#include "net/stream.h"

namespace bd::admin {
namespace {

using namespace std::chrono_literals;

/// A blocking client; five seconds bound every read.
class Client {
 public:
  explicit Client(const SocketAddress& server)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval bound{5, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    sockaddr_storage storage;
    const socklen_t size = net::to_kernel(server, storage);
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&storage), size), 0);
  }
  void send(std::string_view bytes) { ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  /// Everything until the server closes in good order; "reset" or "timeout" if it does not.
  std::string rest() {
    std::string out;
    char buffer[4096];
    for (;;) {
      const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got == 0) return out;
      if (got < 0) return errno == ECONNRESET ? "reset" : "timeout";
      out.append(buffer, static_cast<std::size_t>(got));
    }
  }
  std::string exchange(std::string_view request) {
    send(request);
    return rest();
  }

 private:
  UniqueFd fd_;
};

/// A server whose pages say what was asked, on a thread of its own.
class Running {
 public:
  Running() {
    auto listener = listen_on({IpAddress::v4({127, 0, 0, 1}), 0});
    EXPECT_TRUE(listener);
    address_ = net::local_address(listener->get());
    server_ = std::make_unique<Server>(reactor_, std::move(*listener), [](const Request& request) {
      Response out;
      out.status = request.method == "POST" ? 405 : 200;
      out.content_type = "text/plain";
      out.body = fmt::format("{} {} {}", request.method, request.target, request.host);
      if (request.target == "/large") out.body.assign(8 << 20, 'x');
      return out;
    });
    thread_ = std::thread([this] { reactor_.run([] {}, 1000ms); });
  }
  ~Running() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    reactor_.post([this] { reactor_.stop(); });
    thread_.join();
    server_.reset();
  }
  [[nodiscard]] const SocketAddress& address() const { return address_; }

 private:
  rt::Reactor reactor_;
  SocketAddress address_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

std::string body_of(const std::string& response) {
  return response.substr(response.find("\r\n\r\n") + 4);
}

TEST(AdminServer, AnswersOneRequestAndCloses) {
  const Running running;
  Client client(running.address());
  // The second request on the connection is never looked at.
  const std::string got = client.exchange(
      "GET /a?b=c HTTP/1.1\r\nHost: localhost:1\r\n\r\nGET /d HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(got,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 22\r\nCache-Control: "
            "no-store\r\n"
            "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\nGET /a?b=c localhost:1");
}

TEST(AdminServer, TakesRequestsInPieces) {
  const Running running;
  Client client(running.address());
  for (const char c : std::string_view("GET / HTTP/1.1\r\nHost: h\r\n\r")) client.send({&c, 1});
  EXPECT_EQ(body_of(client.exchange("\n")), "GET / h");
}

TEST(AdminServer, HeadHasTheLengthAndNoBody) {
  const Running running;
  const std::string got = Client(running.address()).exchange("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_NE(got.find("Content-Length: 8\r\n"), std::string::npos);
  EXPECT_EQ(body_of(got), "");
}

TEST(AdminServer, SaysWhatIsAllowed) {
  const Running running;
  const std::string got =
      Client(running.address())
          .exchange("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 405 ")) << got;
  EXPECT_NE(got.find("\r\nAllow: GET, HEAD\r\n"), std::string::npos);
}

TEST(AdminServer, RefusesWhatIsNoRequest) {
  const Running running;
  const std::string large =
      "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(17 << 10, 'x') + "\r\n\r\n";
  const std::string long_line =
      "GET /" + std::string(9 << 10, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n";
  struct Case {
    std::string request;
    const char* status;
  };
  const Case cases[] = {
      {"hello\r\n\r\n", "HTTP/1.1 400 "},
      {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"GET / HTTP/1.1\nHost: h\n\n", "HTTP/1.1 400 "},
      {"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       "HTTP/1.1 400 "},
      {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "HTTP/1.1 505 "},
      {large, "HTTP/1.1 431 "},
      {long_line, "HTTP/1.1 414 "},
  };
  for (const Case& c : cases) {
    const std::string got = Client(running.address()).exchange(c.request);
    EXPECT_TRUE(got.starts_with(c.status)) << c.request.substr(0, 40) << "\n" << got;
  }
}

TEST(AdminServer, ABodyThatNobodyReadsDoesNotCostTheResponse) {
  const Running running;
  const std::string body(32 << 10, 'b');
  const std::string got =
      Client(running.address())
          .exchange("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 32768\r\n\r\n" + body);
  EXPECT_EQ(body_of(got), "GET / h");
}

TEST(AdminServer, SendsPagesThatAreLargerThanTheSocketsBuffers) {
  const Running running;
  const std::string got =
      Client(running.address()).exchange("GET /large HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(body_of(got), std::string(8 << 20, 'x'));
}

TEST(AdminServer, AConnectionTooManyWaitsForAnother) {
  const Running running;
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 64; ++i) idle.push_back(std::make_unique<Client>(running.address()));
  Client late(running.address());
  late.send("GET /late HTTP/1.1\r\nHost: h\r\n\r\n");
  idle.erase(idle.begin());
  EXPECT_EQ(body_of(late.rest()), "GET /late h");
  EXPECT_EQ(body_of(idle.front()->exchange("GET /idle HTTP/1.1\r\nHost: h\r\n\r\n")),
            "GET /idle h");
}

TEST(AdminServer, EndsWithConnectionsOpen) {
  Running running;
  Client silent(running.address());
  Client halfway(running.address());
  halfway.send("GET /");
  // An answer shows that the two before it were accepted.
  EXPECT_EQ(body_of(Client(running.address()).exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n")),
            "GET / h");
  running.stop();
  EXPECT_EQ(silent.rest(), "");
  EXPECT_NE(halfway.rest(), "timeout");
}

TEST(ListenOn, NamesTheAddressThatIsTaken) {
  const SocketAddress loopback{IpAddress::v4({127, 0, 0, 1}), 0};
  const auto first = listen_on(loopback);
  ASSERT_TRUE(first);
  const SocketAddress taken = net::local_address(first->get());
  const auto second = listen_on(taken);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), "cannot listen on " + taken.text() + ": Address already in use");
}

TEST(ListenOn, Ipv6LeavesIpv4Alone) {
  bool both = false;
  // Somebody else may have the IPv4 port that the kernel chose for IPv6.
  for (int tries = 0; tries < 20 && !both; ++tries) {
    const auto six = listen_on({IpAddress::v6({}), 0});
    if (!six) GTEST_SKIP() << six.error();
    both =
        listen_on({IpAddress::v4({0, 0, 0, 0}), net::local_address(six->get()).port}).has_value();
  }
  EXPECT_TRUE(both);
}

}  // namespace
}  // namespace bd::admin
