#include "app/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <thread>

#include "app/sandbox_filter.h"

namespace bd::app {
namespace {

/// The exit status of `body`, run in a child: nobody comes back from a sandbox.
template <class Body>
int status_in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(Sandbox, DeniesEveryWayOutAndLetsADoorWork) {
#ifdef BD_SANITIZED
  GTEST_SKIP() << "there is no sandbox in sanitizer builds";
#endif
  EXPECT_EQ(status_in_child([] { return run_sandbox_check(); }), 0);
}

TEST(Sandbox, SaysWhatIsInForce) {
#ifdef BD_SANITIZED
  EXPECT_EQ(enter_sandbox().bits, 0u);
#else
  const int status = status_in_child([] {
    const Sandbox sandbox = enter_sandbox();
    return static_cast<int>(sandbox.bits & (kSandboxSeccomp | kSandboxNoNewPrivileges));
  });
  EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(kSandboxSeccomp | kSandboxNoNewPrivileges));
#endif
}

// Behind seccomp Landlock can't be seen, and it is what is left if a filter has a hole.
TEST(Sandbox, LandlockAloneClosesTheFileSystemAndBind) {
  const int status = status_in_child([] {
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const int abi = enter_landlock();
    if (abi == 0) return 77;
    if (::open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES) return 1;
    if (::open("/tmp", O_RDONLY | O_DIRECTORY) >= 0 || errno != EACCES) return 2;
    bool thread_denied = false;
    std::thread([&] { thread_denied = ::open("/etc/passwd", O_RDONLY) < 0; }).join();
    if (!thread_denied) return 3;
    sockaddr_in any{};
    any.sin_family = AF_INET;
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const int bound = ::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any);
    if (abi >= 4 && (bound == 0 || errno != EACCES)) return 4;
    if (abi >= 6 && (::kill(::getppid(), 0) == 0 || errno != EPERM)) return 5;
    return 0;
  });
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "this kernel has no Landlock";
  EXPECT_EQ(status, 0);
}

TEST(Sandbox, AbortStillEndsTheProcess) {
#ifdef BD_SANITIZED
  GTEST_SKIP() << "there is no sandbox in sanitizer builds";
#endif
  const int status = status_in_child([] {
    static_cast<void>(enter_sandbox());
    std::abort();
    return 0;
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
}

TEST(Sandbox, RootIsGivenUpForGood) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root";
  const int status = status_in_child([] {
    give_up_root();
    return ::geteuid() != 0 && ::getegid() != 0 && ::setuid(0) != 0 ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
}

TEST(Sandbox, EveryJumpOfTheFilterStaysInsideIt) {
  const auto code = door_filter();
  ASSERT_LT(code.size(), 4096u);
  for (std::size_t at = 0; at < code.size(); ++at) {
    if (BPF_CLASS(code[at].code) != BPF_JMP) continue;
    EXPECT_LT(at + 1 + code[at].jt, code.size());
    EXPECT_LT(at + 1 + code[at].jf, code.size());
  }
}

}  // namespace
}  // namespace bd::app
