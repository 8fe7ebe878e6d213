#include "app/supervisor_probes.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "app/children_for_test.h"
#include "app/listen.h"

namespace bd::app {
namespace {

TEST(ProbeResponse, ComparesTheRequestLineWithConstantsAndNothingElse) {
  struct Case {
    const char* line;
    const char* not_ready;
    int status;
    bool body;
  };
  const Case cases[] = {
      {"GET /livez HTTP/1.1", "", 200, true},
      {"GET /livez HTTP/1.1", "a door", 200, true},
      {"HEAD /livez HTTP/1.0", "", 200, false},
      {"GET /readyz HTTP/1.1", "", 200, true},
      {"GET /readyz HTTP/1.0", "a door", 503, true},
      {"HEAD /readyz HTTP/1.1", "a door", 503, false},
      {"GET /readyz?x HTTP/1.1", "", 404, true},
      {"GET /readyz HTTP/2.0", "", 404, true},
      {"get /readyz HTTP/1.1", "", 404, true},
      {"GET  /readyz HTTP/1.1", "", 404, true},
      {"POST /livez HTTP/1.1", "", 404, true},
      {"GET / HTTP/1.1", "", 404, true},
      {"", "", 404, true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.line);
    const std::string response = probe_response(c.line, c.not_ready);
    EXPECT_TRUE(response.starts_with(fmt::format("HTTP/1.1 {} ", c.status))) << response;
    EXPECT_EQ(!response.ends_with("\r\n\r\n"), c.body) << response;
  }
  EXPECT_NE(probe_response("GET /readyz HTTP/1.1", "a door").find("not ready: a door"),
            std::string::npos);
}

struct Probes : testing::Test {
  UniqueFd listener = std::move(listen_on({IpAddress::v4({127, 0, 0, 1}), 0}, 1)->front());
  SocketAddress address = local_address(listener.get());
  ProbeServer server{std::move(listener)};
  TimePoint now{std::chrono::hours(1)};

  UniqueFd client(const std::string& bytes) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(address.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    send(fd, bytes);
    return fd;
  }
  static void send(const UniqueFd& fd, const std::string& bytes) {
    ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  /// "…", "closed", or "open" if nothing came.
  static std::string state(const UniqueFd& fd) {
    char buffer[1024];
    const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN ? "open" : "closed";
    return got == 0 ? "closed" : std::string(buffer, static_cast<std::size_t>(got));
  }
  std::size_t polled() const {
    std::vector<pollfd> out;
    server.add_to(out);
    return out.size();
  }
};

TEST_F(Probes, AnswersWhenTheHeadIsWholeHoweverItComes) {
  const UniqueFd whole = client("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  const UniqueFd slow = client("GET /re");
  server.serve(now, "");
  EXPECT_TRUE(state(whole).starts_with("HTTP/1.1 200"));
  EXPECT_EQ(state(whole), "closed");
  EXPECT_EQ(state(slow), "open");
  send(slow, "adyz HTTP/1.1\r\n\r\n");
  server.serve(now, "because");
  EXPECT_TRUE(state(slow).starts_with("HTTP/1.1 503"));
}

TEST_F(Probes, BoundsWhatOneClientMayHold) {
  const UniqueFd silent = client(""), endless = client(std::string(ProbeServer::kRequestMax, 'x'));
  server.serve(now, "");
  send(endless, "xxxx");
  server.serve(now + ProbeServer::kTimeout / 2, "");
  EXPECT_EQ(state(endless), "closed");
  EXPECT_EQ(state(silent), "open");
  server.serve(now + ProbeServer::kTimeout, "");
  EXPECT_EQ(state(silent), "closed");
}

TEST_F(Probes, HoldsSoManyAndNoMoreAtOnce) {
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i < ProbeServer::kConnectionsMax + 5; ++i) clients.push_back(client(""));
  server.serve(now, "");
  EXPECT_EQ(polled(), ProbeServer::kConnectionsMax) << "and the listener is left alone";
  clients.erase(clients.begin(), clients.begin() + 10);
  server.serve(now, "");
  server.serve(now, "");
  EXPECT_EQ(polled(), ProbeServer::kConnectionsMax - 5 + 1);
}

// Another supervisor answers what comes, and this one what it has taken.
TEST_F(Probes, TakesNothingWhileAnotherOneAnswers) {
  const UniqueFd before = client("GET /li");
  server.serve(now, "");
  server.pause(true);
  const UniqueFd after = client("GET /livez HTTP/1.1\r\n\r\n");
  send(before, "vez HTTP/1.1\r\n\r\n");
  server.serve(now, "");
  EXPECT_TRUE(state(before).starts_with("HTTP/1.1 200"));
  EXPECT_EQ(state(after), "open");
  EXPECT_EQ(polled(), 0u);
  server.pause(false);
  server.serve(now, "");
  EXPECT_TRUE(state(after).starts_with("HTTP/1.1 200"));
  server.leave();
  EXPECT_EQ(polled(), 0u);
}

}  // namespace
}  // namespace bd::app
