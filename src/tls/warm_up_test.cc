#include "tls/warm_up.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>

#include "tls/talk_for_test.h"

namespace bd::tls {
namespace {

/// From here on whoever opens a file dies.
bool forbid_files() {
  constexpr auto kKill = SECCOMP_RET_KILL_PROCESS;
  sock_filter program[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_openat},
      {BPF_RET | BPF_K, 0, 0, kKill},
#if defined(SYS_open)
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_open},
      {BPF_RET | BPF_K, 0, 0, kKill},
#endif
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog filter{std::size(program), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// In a process of its own, which did nothing with TLS before: the child of a fork would inherit
/// what other tests have warmed up.
[[noreturn]] void run_without_files() {
  warm_up();
  if (!forbid_files()) ::_exit(2);
  ServerOptions options;
  options.self_signed = true;
  options.tickets = {ticket_key(1)};
  const auto server = make_server(options);
  const auto client = make_client({.verify = false, .server_name = "a.example"});
  const auto verified = std::make_shared<KeyPair>(authority().issue({.names = {"a.example"}}));
  const auto other = make_server(server_options({verified}));
  const auto doubtful = make_client({.ca = authority().pem(), .server_name = "a.example"});
  Talk first(*server, *client);
  Talk second(*other, *doubtful);
  const bool good = first.handshake() && second.handshake();
  ::_exit(good ? 0 : 1);
}

TEST(WarmUpDeathTest, LeavesNothingToOpen) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // Runs the program again, not a fork.
  EXPECT_EXIT(run_without_files(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace bd::tls
