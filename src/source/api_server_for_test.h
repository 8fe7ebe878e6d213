#pragma once
// An API server that follows a script: for each resource, what it answers to lists and to watches,
// and how badly. Plain HTTP/1.1 on a loopback port of the kernel's choice.

#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace bd::source {

class ApiServer {
 public:
  struct Answer {
    enum class End : std::uint8_t {
      complete,
      cut,   ///< The connection closes before the end that the head promised.
      open,  ///< The answer goes on with send() until finish() or cut().
    };
    std::string body;
    End end = End::complete;
    int status = 200;
    std::size_t piece = 0;  ///< Bytes per write; 0: all at once.
    std::string fields;     ///< More header lines, each with its \r\n.
  };

  ApiServer();
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  [[nodiscard]] std::string url() const;
  /// What the next lists or watches of a resource get, in order; the last is for all that follow.
  /// Without a script a list is empty at version 1, and a watch stays open and silent.
  void on_list(const std::string& plural, std::vector<Answer> answers);
  void on_watch(const std::string& plural, std::vector<Answer> answers);
  /// Writes to the open watch of a resource, when there is one.
  [[nodiscard]] bool send(const std::string& plural, const std::string& bytes);
  /// Ends its open watch as it should be ended, or by closing the connection.
  [[nodiscard]] bool finish(const std::string& plural);
  [[nodiscard]] bool cut(const std::string& plural);
  /// Waits until so many requests of this kind came: `list ingresses`, `watch services`.
  [[nodiscard]] bool wait_for(const std::string& what, std::size_t count);
  /// Heads of all requests of this kind, as they came.
  [[nodiscard]] std::vector<std::string> heads(const std::string& what);
  /// Refuses connections, and closes those that are there, until up().
  void down();
  void up();

 private:
  struct Watch {
    std::string plural;
    int socket;
    bool ended = false;
  };

  void accept_loop();
  void serve(int socket);
  bool answer(int socket, const std::string& head);
  Answer choose(const std::string& plural, bool watch);
  bool stream(int socket, const std::string& plural, const Answer& answer);
  Watch* open_watch(const std::string& plural);
  void listen_on(std::uint16_t port);
  void close_all();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::uint16_t port_ = 0;
  UniqueFd listener_;
  std::map<std::string, std::deque<Answer>> lists_, watches_;
  std::map<std::string, std::vector<std::string>> heads_;  // By `list ingresses`.
  std::list<Watch> open_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

/// The kind of a resource: Ingress for ingresses.
[[nodiscard]] std::string kind_of(const std::string& plural);

}  // namespace bd::source
