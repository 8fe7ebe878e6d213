#include "app/children_for_test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "app/door.h"
#include "app/listen.h"
#include "app/spawn.h"
#include "feed/control_channel.h"
#include "feed/sender.h"

namespace bd::app {
namespace {

/// Answers every connection with the generation and the hosts, and turns its loop often.
class TestServer final : public proxy::Server {
 public:
  explicit TestServer(proxy::ServerOptions options) : options_(std::move(options)) {
    if (options_.door) apply(options_.door, options_.generation);
    for (unsigned i = 0; i < options_.workers; ++i) threads_.emplace_back([this, i] { work(i); });
  }
  ~TestServer() override { stop(); }
  void apply(std::shared_ptr<const snapshot::Door> door, std::uint64_t generation) override {
    std::string text = fmt::format("generation {}: ", generation);
    for (const auto& [key, host] : door->hosts) text += key.host.text() + " ";
    const std::lock_guard lock(mutex_);
    text_ = text;
  }
  void fail_probes() override { failing_ = true; }
  void drain(std::function<void()> done) override {
    stop_ = true;
    done();
  }
  void retire(milliseconds, std::function<void()> done) override {
    stop();
    done();
  }

 private:
  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  void work(unsigned index) {
    while (!stop_) {
      const auto now = Clock::now().time_since_epoch();
      const auto ms = std::chrono::duration_cast<milliseconds>(now).count();
      options_.stats->workers[index].heartbeat_ms = static_cast<std::uint64_t>(ms);
      std::vector<pollfd> polled;
      for (const auto& entry : options_.sockets) polled.push_back({entry.fds[index], POLLIN, 0});
      if (::poll(polled.data(), polled.size(), 20) <= 0) continue;
      for (const pollfd& one : polled) answer(one.fd);
    }
  }
  void answer(int listener) {
    const UniqueFd client(::accept4(listener, nullptr, nullptr, 0));
    if (!client) return;
    const std::lock_guard lock(mutex_);
    const std::string out =
        fmt::format("{}{}pid {}", text_, failing_ ? "failing probes " : "", ::getpid());
    ::send(client.get(), out.data(), out.size(), MSG_NOSIGNAL);
  }

  proxy::ServerOptions options_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_ = false, failing_ = false;
  std::mutex mutex_;
  std::string text_ = "starting ";
};

class TestController {
 public:
  explicit TestController(int channel, std::string dir) : channel_(channel), dir_(std::move(dir)) {
    write_whole(dir_ + "/controller", std::to_string(::getpid()));
  }

  void run() {
    while (true) {
      std::vector<pollfd> polled = {{channel_, POLLIN, 0}};
      for (auto& [name, sender] : senders_) {
        const int events = sender->wants_write() ? POLLIN | POLLOUT : POLLIN;
        polled.push_back({sender->fd(), static_cast<short>(events), 0});
      }
      ::poll(polled.data(), polled.size(), 10);
      if (!take_records()) return;
      read_script();
      for (auto& [name, sender] : senders_) serve(name, *sender);
    }
  }

 private:
  bool take_records() {
    feed::Received got;
    while (true) {
      const auto status = feed::receive(channel_, got);
      if (status == feed::ReceiveStatus::closed) return false;
      if (status != feed::ReceiveStatus::ok) return true;
      const std::string name(got.message.door_name());
      if (got.message.record == feed::Record::feed_socket) {
        senders_[name] = std::make_unique<feed::Sender>(std::move(got.fd), name, 1000 + ::getpid());
        feed(name);
      } else if (got.message.record == feed::Record::quarantine) {
        hear(fmt::format("quarantine {} {}", name, got.message.generation));
        quarantined_.emplace(name, got.message.generation);
      } else if (got.message.record == feed::Record::door_gone) {
        hear("gone " + name);
      }
    }
  }

  void read_script() {
    const std::string text = read_whole(dir_ + "/state");
    if (text == script_ || text.empty()) return;
    script_ = text;
    std::istringstream words(text);
    words >> generation_;
    hosts_.clear();
    nonsense_ = false;
    for (std::string word; words >> word;) obey(word);
    for (auto& [name, sender] : senders_) feed(name);
  }

  void obey(const std::string& word) {
    if (word[0] != '!') return hosts_.push_back(word);
    nonsense_ = nonsense_ || word == "!nonsense";
    const std::size_t equals = word.find('='), at = word.find('@');
    if (equals == std::string::npos) return;
    const std::string name = word.substr(equals + 1, at - equals - 1);
    const bool want = word.starts_with("!want");
    auto message =
        feed::Message::make(want ? feed::Record::want_door : feed::Record::drop_door, name);
    if (want) message.add_listener("main", *SocketAddress::parse(word.substr(at + 1)));
    static_cast<void>(feed::send(channel_, message));
  }

  void feed(const std::string& name) {
    if (generation_ == 0 || quarantined_.contains({name, generation_})) return;
    auto door = std::make_shared<snapshot::Door>();
    door->exposure = model::make_exposure(name, model::Side::internal, model::Scheme::http, 10000);
    for (const std::string& text : hosts_) {
      auto host = std::make_shared<model::VirtualHost>();
      host->host = model::HostPattern::parse(text).value();
      const bool wrong = nonsense_ && name == "external-http";
      door->hosts[{wrong ? "nowhere" : "main", host->host}] = std::move(host);
    }
    senders_.at(name)->update(std::move(door), generation_);
    if (std::exchange(ready_, true)) return;
    static_cast<void>(
        feed::send(channel_, feed::Message::make(feed::Record::controller_ready, "")));
  }

  void serve(const std::string& name, feed::Sender& sender) {
    if (!sender.is_open()) return;
    const std::uint64_t before = sender.acked_generation();
    sender.on_writable();
    if (sender.is_open()) sender.on_readable();
    if (!sender.is_open() && sender.refusal()) {
      hear(fmt::format("refused {} {}", name, sender.refusal()->generation));
    }
    if (sender.acked_generation() == before) return;
    const UniqueFd memory(::memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const std::string bytes = snapshot::encode(*sender.acked_door(), sender.acked_generation());
    static_cast<void>(!::write(memory.get(), bytes.data(), bytes.size()));
    ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
    auto message = feed::Message::make(feed::Record::snapshot, name);
    message.generation = sender.acked_generation();
    static_cast<void>(feed::send(channel_, message, memory.get()));
    hear(fmt::format("acked {} {}", name, sender.acked_generation()));
  }

  void hear(const std::string& what) {
    std::ofstream(dir_ + "/heard", std::ios::app) << what << "\n";
  }

  int channel_;
  std::string dir_, script_;
  std::uint64_t generation_ = 0;
  bool nonsense_ = false, ready_ = false;
  std::vector<std::string> hosts_;
  std::set<std::pair<std::string, std::uint64_t>> quarantined_;
  std::map<std::string, std::unique_ptr<feed::Sender>> senders_;
};

UniqueFd connected_socket(const SocketAddress& address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  std::memcpy(&to.sin_addr, address.ip.bytes().data(), 4);
  const bool good = ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  return good ? std::move(fd) : UniqueFd();
}

}  // namespace

int run_test_controller(const std::vector<std::string>& words) {
  const auto options = ChildOptions::parse(words);
  const char* dir = std::getenv(kScriptVariable);
  if (!options || dir == nullptr) return 2;
  TestController(options->channel, dir).run();
  return 0;
}

int run_test_door(const std::vector<std::string>& words) {
  return run_door(words, [](proxy::ServerOptions options) -> std::unique_ptr<proxy::Server> {
    return std::make_unique<TestServer>(std::move(options));
  });
}

SocketAddress free_address() {
  const auto sockets = listen_on({IpAddress::v4({127, 0, 0, 1}), 0}, 1);
  return local_address(sockets->front().get());
}

std::string ask(const SocketAddress& address, const std::string& request) {
  const UniqueFd fd = connected_socket(address);
  if (!fd) return kRefused;
  ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  const timeval timeout{2, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  std::string out;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::recv(fd.get(), buffer, sizeof buffer, 0)) > 0;) {
    out.append(buffer, static_cast<std::size_t>(got));
  }
  return out;
}

bool eventually(const std::function<bool()>& condition) {
  const TimePoint end = Clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (Clock::now() > end) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

bool is_gone(pid_t pid) {
  // "12 (name) Z …": dead, and whoever has to look has not looked yet.
  const std::string stat = read_whole(fmt::format("/proc/{}/stat", pid));
  return stat.empty() || stat.find(") Z ") != std::string::npos;
}

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_whole(const std::string& path, const std::string& text) {
  std::ofstream(path + ".new") << text;
  std::filesystem::rename(path + ".new", path);
}

}  // namespace bd::app
