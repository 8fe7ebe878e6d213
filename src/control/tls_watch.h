#pragma once
// Looks at the files of certificates on a thread of its own: neither a disk that stands still nor a
// mount that is gone holds up a change (docs/adr/0013).
//
// The thread owns the TlsFiles that it looks with. Whenever something was read it tells a copy,
// which nobody changes any more; the contents are shared.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "control/tls_files.h"

namespace bd::control {

class TlsWatch {
 public:
  /// Between two looks. A change is taken at the second one.
  static constexpr std::chrono::milliseconds kLook{500};

  struct News {
    std::shared_ptr<const TlsFiles> files;
    std::vector<std::string> failures;  ///< Why what was read can't be used; for the log.
    std::uint64_t asked = 0;            ///< Which configuration this is of: use()'s number.
  };
  /// Called on the thread, after use() and when something was read.
  using Report = std::function<void(News)>;

  TlsWatch(Report report, std::chrono::milliseconds interval = kLook);
  TlsWatch(const TlsWatch&) = delete;
  TlsWatch& operator=(const TlsWatch&) = delete;
  /// Waits for the look that is under way.
  ~TlsWatch();

  /// Goes on where `files` stands, which was read by the caller. Once.
  void start(TlsFiles files);
  /// What `config` names from now on: it is read at once, and told even if nothing is new. Never
  /// blocks. Of two calls in a row the first one may be left out. The number grows with each call;
  /// 0 is what start() was given.
  std::uint64_t use(config::Config config);

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
};

}  // namespace bd::control
