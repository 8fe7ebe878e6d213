#pragma once
// The other end of a feed, and a loop to run both ends on, for the tests of this room.

#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "feed/control_channel.h"
#include "feed/receiver.h"
#include "rt/reactor.h"

namespace bd::control {

/// A reactor on a thread of its own.
class LoopForTest {
 public:
  LoopForTest()
      : thread_([this] { reactor_.run([this] { turn(); }, std::chrono::milliseconds(5)); }) {}
  ~LoopForTest() { stop(); }
  LoopForTest(const LoopForTest&) = delete;
  LoopForTest& operator=(const LoopForTest&) = delete;

  [[nodiscard]] rt::Reactor& reactor() { return reactor_; }
  void stop() {
    if (!thread_.joinable()) return;
    reactor_.post([this] { reactor_.stop(); });
    thread_.join();
  }
  /// Runs `work` on the loop, and waits for its end.
  void call(const std::function<void()>& work) {
    std::promise<void> done;
    reactor_.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  /// Looks on the loop, after each of its turns. The limit is for a crowded machine.
  [[nodiscard]] bool wait(const std::function<bool()>& reached) {
    std::unique_lock lock(mutex_);
    reached_ = &reached;
    const bool got =
        changed_.wait_for(lock, std::chrono::seconds(20), [this] { return reached_ == nullptr; });
    reached_ = nullptr;
    return got;
  }

 private:
  void turn() {
    const std::lock_guard lock(mutex_);
    if (reached_ == nullptr || !(*reached_)()) return;
    reached_ = nullptr;
    changed_.notify_all();
  }

  rt::Reactor reactor_;
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<bool()>* reached_ = nullptr;
  std::thread thread_;
};

/// A door without clients. On the loop's thread only.
class DoorForTest final : public rt::EventSink {
 public:
  DoorForTest(rt::Reactor& reactor, std::string name)
      : reactor_(reactor), receiver_(std::move(name)) {}
  ~DoorForTest() = default;

  /// Makes a new feed; the controller's end.
  [[nodiscard]] UniqueFd connect() {
    disconnect();
    feed::ChannelPair pair = feed::make_feed_sockets();
    socket_ = std::move(pair.child);
    receiver_.connected();
    handle_.attach(reactor_, socket_.get());
    handle_.set_sink(this);
    return std::move(pair.supervisor);
  }
  void disconnect() {
    handle_.detach();
    socket_.reset();
  }
  void on_event() override {
    char block[16384];
    ssize_t got = 0;
    while ((got = ::recv(socket_.get(), block, sizeof block, MSG_DONTWAIT)) > 0) {
      const bool good = receiver_.receive({block, static_cast<std::size_t>(got)});
      if (const auto update = receiver_.take_update()) {
        updates.push_back(*update);
        if (acks) receiver_.acknowledge(*update);
      }
      const std::string_view out = receiver_.outbound();
      const ssize_t sent = ::send(socket_.get(), out.data(), out.size(), MSG_NOSIGNAL);
      if (sent > 0) receiver_.sent(static_cast<std::size_t>(sent));
      if (!good) return disconnect();
    }
    if (got == 0) disconnect();
  }

  /// The hosts that it serves, in order.
  [[nodiscard]] std::string hosts() const {
    std::vector<std::string> out;
    if (updates.empty()) return "no state";
    for (const auto& [key, host] : updates.back().door->hosts) out.push_back(key.host.text());
    return fmt::format("{}", fmt::join(out, " "));
  }
  /// The addresses of one upstream.
  [[nodiscard]] std::string endpoints(const std::string& upstream) const {
    std::vector<std::string> out;
    if (updates.empty()) return "no state";
    const auto found = updates.back().door->endpoints.find(upstream);
    if (found == updates.back().door->endpoints.end()) return "no upstream";
    for (const model::Endpoint& endpoint : found->second) out.push_back(endpoint.address.text());
    return fmt::format("{}", fmt::join(out, " "));
  }
  [[nodiscard]] std::uint64_t generation() const {
    return updates.empty() ? 0 : updates.back().generation;
  }

  bool acks = true;
  std::vector<feed::Receiver::Update> updates;  ///< All that came, over all feeds.

 private:
  rt::Reactor& reactor_;
  feed::Receiver receiver_;
  UniqueFd socket_;
  rt::Handle handle_;
};

}  // namespace bd::control
