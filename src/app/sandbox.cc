#include "app/sandbox.h"

#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/sandbox_filter.h"
#include "base/log.h"
#include "base/unique_fd.h"

namespace bd::app {
namespace {

#ifdef BD_SANITIZED
constexpr bool kEnabled = false;
#else
constexpr bool kEnabled = true;
#endif

/// The user of our images; any that owns nothing will do.
constexpr uid_t kNobody = 65532;

// From the kernel's linux/landlock.h: Debian's headers are older than the kernels that we run on.
struct LandlockRules {
  std::uint64_t handled_access_fs = 0;
  std::uint64_t handled_access_net = 0;
  std::uint64_t scoped = 0;
};
constexpr unsigned kLandlockVersion = 1;  // LANDLOCK_CREATE_RULESET_VERSION
constexpr std::uint64_t kLandlockBindTcp = 1;
constexpr std::uint64_t kLandlockScopes = 3;  // Abstract Unix sockets, signals.

/// Every file system right that this ABI knows: what is not handled is not denied.
std::uint64_t file_rights(int abi) {
  int count = 13;            // ABI 1: execute … make_sym
  if (abi >= 2) count = 14;  // refer
  if (abi >= 3) count = 15;  // truncate
  if (abi >= 5) count = 16;  // ioctl_dev
  return (std::uint64_t{1} << count) - 1;
}

bool enter_seccomp() {
  std::vector<sock_filter> code = door_filter();
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0) {
    return true;
  }
  log::error(fmt::format("no seccomp filter: {}", std::strerror(errno)));
  return false;
}

}  // namespace

void give_up_root() {
  if (::geteuid() != 0) return;
  const bool done = ::setgroups(0, nullptr) == 0 && ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                    ::setresuid(kNobody, kNobody, kNobody) == 0;
  // A container that dropped the capability to do so also dropped what makes root dangerous.
  if (!done) log::warn(fmt::format("stays root: {}", std::strerror(errno)));
}

int enter_landlock() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kLandlockVersion);
  if (abi < 1) return 0;
  const LandlockRules rules{file_rights(static_cast<int>(abi)), abi >= 4 ? kLandlockBindTcp : 0,
                            abi >= 6 ? kLandlockScopes : 0};
  const UniqueFd set(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0)));
  // No rule is added: all that is handled is denied.
  if (!set || ::syscall(SYS_landlock_restrict_self, set.get(), 0) != 0) return 0;
  return static_cast<int>(abi);
}

Sandbox enter_sandbox() {
  Sandbox out;
  if (!kEnabled) return out;
  ::prctl(PR_SET_DUMPABLE, 0);  // No core files with keys in them, no debugger of the same user.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) out.bits |= kSandboxNoNewPrivileges;
  out.landlock_abi = enter_landlock();
  if (out.landlock_abi > 0) {
    out.bits |= kSandboxLandlock;
  } else {
    log::warn(fmt::format("no Landlock: {}", std::strerror(errno)));
  }
  if (enter_seccomp()) out.bits |= kSandboxSeccomp;
  return out;
}

}  // namespace bd::app
