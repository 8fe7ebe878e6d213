// A stderr that nobody reads: a pipe that is full.

#include "base/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace bd::log {
namespace {

/// What comes until the writers are gone. Reads what a full pipe holds, and what follows.
std::string read_to_the_end(int fd) {
  std::string out;
  char block[65536];
  for (ssize_t n = 0; (n = ::read(fd, block, sizeof block)) > 0;) {
    out.append(block, static_cast<std::size_t>(n));
  }
  return out;
}

/// Logs until stderr and the queue are full, then says something more, in a process of its own:
/// its log is never taken back.
[[noreturn]] void log_too_much(int before, int after) {
  init_queued("test", Level::info);
  const std::string padding(1000, '.');
  for (int line = 0; line < 3000; ++line) info(fmt::format("line {} {}", line, padding));
  // Here already, with nothing read: whoever logs was not held up.
  const char ready = 'r';
  char go = 0;
  if (::write(before, &ready, 1) != 1 || ::read(after, &go, 1) != 1) ::_exit(2);
  finish();
  ::_exit(0);
}

TEST(QueuedLog, NobodyWaitsForAStderrThatNobodyReads) {
  int err[2], before[2], after[2];
  ASSERT_EQ(::pipe(err), 0);
  ASSERT_EQ(::pipe(before), 0);
  ASSERT_EQ(::pipe(after), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    ::dup2(err[1], STDERR_FILENO);
    ::close(err[1]);
    log_too_much(before[1], after[0]);
  }
  ::close(err[1]);
  ::close(before[1]);
  char ready = 0;
  EXPECT_EQ(::read(before[0], &ready, 1), 1) << "it waits for its log";
  EXPECT_EQ(::write(after[1], "g", 1), 1);
  const std::string got = read_to_the_end(err[0]);
  EXPECT_EQ(got.find("[test] line 1500 ."), std::string::npos) << "the oldest that wait are lost";
  EXPECT_NE(got.find("[test] line 2999 ."), std::string::npos) << "the newest are written";
  EXPECT_NE(got.find(" lines of this log were lost"), std::string::npos);
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const int fd : {err[0], before[0], after[0], after[1]}) ::close(fd);
}

}  // namespace
}  // namespace bd::log
