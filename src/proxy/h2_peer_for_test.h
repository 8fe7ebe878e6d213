#pragma once
// For tests only: one end of an HTTP/2 connection over a blocking socket, client or server.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "http2/connection.h"

namespace bd::proxy::testing {

using Names = std::vector<std::pair<std::string, std::string>>;

/// What came on one stream.
struct H2Message {
  std::string method, authority, path;  ///< Of a request.
  int status = 0;                       ///< Of a final response.
  std::vector<int> interim;
  std::map<std::string, std::string> fields, trailers;
  bool ended_with_head = false;
  bool ended = false;
  std::string body;
  std::optional<std::uint32_t> closed;  ///< Its error code.
};

class H2Peer final : private http2::Handler {
 public:
  /// Of a connected socket.
  H2Peer(UniqueFd fd, http2::Role role);

  /// Client role: -1 if no stream can be opened.
  std::int32_t request(const Names& names, bool end);
  void respond(std::int32_t stream, int status, const Names& names, bool end);
  void finish(std::int32_t stream, const Names& trailers = {});
  /// Moves bytes both ways until `done`, at most five seconds; false: it did not come to that.
  bool until(const std::function<bool()>& done);
  /// The stream is over, in whatever way.
  bool until_closed(std::int32_t stream);

  http2::Connection connection;
  std::map<std::int32_t, H2Message> streams;
  [[nodiscard]] bool at_end() const { return end_; }

 private:
  void on_head(std::int32_t stream, http2::Head head, bool end) override;
  void on_data(std::int32_t stream, std::string_view data) override;
  void on_trailers(std::int32_t stream, http2::Head trailers) override;
  void on_end(std::int32_t stream) override { streams[stream].ended = true; }
  void on_writable(std::int32_t) override {}
  void on_closed(std::int32_t stream, std::uint32_t error_code) override {
    streams[stream].closed = error_code;
  }
  void push();
  void pull();

  UniqueFd fd_;
  bool end_ = false;
};

/// The pseudo-fields of a request, and what else there is.
Names h2_request(std::string_view method, std::string_view path, const Names& more = {});

}  // namespace bd::proxy::testing
