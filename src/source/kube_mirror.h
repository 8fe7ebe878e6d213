#pragma once
// What does the API server hold of one resource? Lists it in pages, then watches it line by line,
// and keeps a copy that is never worse than what it was told before:
//
//   begin() → the request to send → head(), data()…, done() → due() → begin() …
//
//   listing ── last page ──▶ watching ── 410, a doubt to settle, five bad watches ──▶ listing
//
// It opens no socket and reads no clock (kube_client.h and kube_watch.cc do), so every fault of a
// server can be played to it.

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "source/kube_answer.h"
#include "source/source.h"

namespace bd::source {

using Clock = std::chrono::steady_clock;

/// Pauses and bounds in time, each with its reason; tests shorten them.
struct KubeTimes {
  std::chrono::milliseconds backoff_first{200};   ///< Grows twofold; the pause is random below it.
  std::chrono::milliseconds backoff_max{30'000};  ///< A mended server is found within this.
  /// A list that lost most of what there was takes nothing away before a second one says the same:
  /// an API server that starts over an empty or restored store shows such lists for a moment. It
  /// can be long, as traffic flows as before and what is new is taken at once.
  std::chrono::milliseconds confirm{30'000};
  std::chrono::milliseconds silence{
      90'000};                              ///< Bookmarks come each minute, else the peer is gone.
  std::chrono::milliseconds steady{1'000};  ///< A watch that lived this long has recovered.
  std::chrono::milliseconds status_every{5'000};  ///< At most, while health stays the same.
  std::chrono::seconds list{120};                 ///< One page, as a whole.
  std::chrono::seconds watch_min{300};            ///< timeoutSeconds is random from this to
  std::chrono::seconds watch_max{600};            ///< this, so that not all doors renew at once.
};

class Mirror {
 public:
  struct Request {
    std::string target;  ///< Path and query.
    std::chrono::seconds timeout;
  };
  /// How an answer ended.
  struct Outcome {
    long status = 0;    ///< 0: no answer at all.
    std::string error;  ///< What went wrong on the way; empty: the answer was complete.
    std::chrono::seconds retry_after{0};
  };
  Mirror(const Resource& resource, const KubeTimes& times, std::uint32_t seed);

  /// When begin() may be called; only between requests.
  [[nodiscard]] Clock::time_point due() const { return due_; }
  [[nodiscard]] Request begin(Clock::time_point now);
  void head(long status, Clock::time_point now);
  /// False: the rest of the answer is not wanted.
  bool data(std::string_view bytes, Clock::time_point now);
  void done(const Outcome& outcome, Clock::time_point now);

  /// Somebody reached the server just now: no need to wait for long if it could not be reached.
  void nudge(Clock::time_point now);

  /// While a request runs: when tick() must be called, or earlier.
  [[nodiscard]] Clock::time_point deadline() const;
  /// False: the answer is not worth waiting for (a server that has long been silent); end the
  /// request, then call done().
  bool tick(Clock::time_point now);
  [[nodiscard]] long status() const { return status_; }  ///< Of the running answer; 0: none yet.

  [[nodiscard]] const Resource& resource() const { return resource_; }
  /// There was a complete list (or the resource is forbidden and not required).
  [[nodiscard]] bool synced() const { return synced_; }
  [[nodiscard]] const Entries& entries() const { return entries_; }
  /// Why the copy may be out of date; empty while it is fed.
  [[nodiscard]] const std::string& problem() const { return problem_.empty() ? doubt_ : problem_; }
  [[nodiscard]] const std::string& warning() const { return warning_; }
  /// What changed since the last call: single changes in order, or `replaced`: look at entries().
  struct Changes {
    bool replaced = false;
    std::vector<Event> events;
  };
  Changes take_changes() { return std::exchange(changes_, {}); }

 private:
  enum class Phase : std::uint8_t { listing, watching };
  enum class Verdict : std::uint8_t { fine, expired, broken };  ///< On what a watch told.

  void start_list();
  void fail(std::string why, Clock::time_point now, std::chrono::milliseconds at_least = {});
  void skip(const Outcome& outcome, Clock::time_point now);
  [[nodiscard]] std::chrono::milliseconds pause();
  [[nodiscard]] std::chrono::milliseconds jitter(std::chrono::milliseconds bound);
  void finish_page(Clock::time_point now);
  void finish_list(Clock::time_point now);
  void finish_watch(const Outcome& outcome, Clock::time_point now);
  [[nodiscard]] std::string doubt(std::size_t lost, bool older) const;
  [[nodiscard]] bool confirms(Clock::time_point now) const;
  [[nodiscard]] bool lists_something_else() const;
  [[nodiscard]] std::string describe(const Outcome& outcome) const;
  bool take_lines(std::string_view bytes);
  Verdict take_line(std::string_view line);
  void store(const EntryKey& key, Entry entry);
  void remove(const EntryKey& key, const std::string& version);

  const Resource& resource_;
  const KubeTimes& times_;
  std::minstd_rand random_;

  Phase phase_ = Phase::listing;
  Clock::time_point due_{};
  bool synced_ = false;
  Entries entries_;
  std::string version_;  // Up to which entries_ are known.
  Changes changes_;
  std::string problem_, warning_;
  std::string doubt_;  // Why the last list is not believed whole; it is confirmed or not by the
  Clock::time_point confirm_at_{};  // first list after this.
  unsigned failures_ = 0;           // In a row; each lengthens the next pause.
  unsigned expirations_ = 0;        // In a row, likewise.
  bool token_refused_ = false;      // The last answer was 401.
  bool unreachable_ = false;        // There was no last answer.

  // The list that is being built beside the live copy.
  Entries listed_;
  std::string list_version_, continue_;
  unsigned page_limit_;

  // The answer that is being read.
  long status_ = 0;
  std::string buffer_;
  bool too_large_ = false;
  bool told_ = false;  // The watch brought at least one good line.
  Verdict verdict_ = Verdict::fine;
  std::string watch_fault_;  // Why its last line was not one.
  Clock::time_point head_at_{}, heard_at_{};
};

}  // namespace bd::source
