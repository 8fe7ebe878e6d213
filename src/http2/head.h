#pragma once
// One field section of HTTP/2, and the collector that judges it. nghttp2 has decoded it and checked
// the grammar of RFC 9113 §8.2 and §8.3; what is refused here on top of that is what an HTTP/1.1
// upstream could read differently.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/field.h"
#include "http2/options.h"

namespace bd::http2 {

/// A head or a trailer section. Movable; its views live as long as it does, wherever it is moved.
class Head {
 public:
  // Of requests; empty if absent. Without `authority` the Host field says who is meant; with it, a
  // Host field says the same, and is still among the fields.
  std::string_view method;
  std::string_view scheme;
  std::string_view authority;
  std::string_view path;
  std::string_view protocol;  ///< Extended CONNECT (RFC 8441).
  int status = 0;             ///< Of responses; < 200: interim.
  http::Fields fields;        ///< Without pseudo-fields; names in lower case; one Cookie at most.
  bool too_large = false;     ///< A bound was passed and fields are missing: answer 431.

 private:
  friend class HeadBuilder;
  std::unique_ptr<char[]> bytes_;
};

/// Collects one section at a time; its memory is used again for the next.
class HeadBuilder {
 public:
  enum class Kind : std::uint8_t { request, response, trailers };

  explicit HeadBuilder(const Options& options) : options_(options) {}

  void begin(Kind kind);
  /// What is above the bounds is counted and dropped, for the decoder's table must stay in step.
  void add(std::string_view name, std::string_view value);
  /// Four times the bound: no mistake is that large. The connection has to end.
  [[nodiscard]] bool is_bomb() const noexcept { return size_ / 4 > options_.head_max; }
  /// Null if the section is malformed (RFC 9113 §8.1.1): a stream error.
  [[nodiscard]] std::optional<Head> finish();

 private:
  enum Pseudo : std::uint8_t { method, scheme, authority, path, protocol, status, pseudo_count };
  struct Entry {
    std::size_t at;
    std::size_t name_size;
    std::size_t value_size;
  };

  void add_pseudo(std::string_view name, std::string_view value);
  void add_field(std::string_view name, std::string_view value);
  void add_cookie(std::string_view crumb);
  [[nodiscard]] bool is_fit(std::string_view name, std::string_view value,
                            http::FieldName id) const;
  [[nodiscard]] bool make_room(bool is_new_field);
  [[nodiscard]] bool judge_request(const Head& head) const;
  [[nodiscard]] bool judge_response(const Head& head) const;

  Options options_;
  Kind kind_ = Kind::request;
  bool malformed_ = false;
  bool too_large_ = false;
  std::size_t size_ = 0;  // As §6.5.2 counts: names, values, and 32 for each field.
  std::string bytes_;
  std::vector<Entry> entries_;
  std::optional<Entry> pseudo_[pseudo_count];
  std::string cookie_;  // The crumbs, joined (RFC 9113 §8.2.3).
};

}  // namespace bd::http2
