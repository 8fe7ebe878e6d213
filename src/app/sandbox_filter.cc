#include "app/sandbox_filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace bd::app {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kX32Bit = 0x40000000;  // The x32 numbers: the same calls by another name.
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the sandbox knows x86_64 and aarch64"
#endif

constexpr std::uint32_t kDeny = SECCOMP_RET_ERRNO | EPERM;
/// "This kernel does not have it": the C library then goes the older way, which has a rule.
constexpr std::uint32_t kPretendAbsent = SECCOMP_RET_ERRNO | ENOSYS;

/// Allowed whatever the arguments are. The kernel remembers such answers in a bitmap, so they cost
/// nearly nothing; all calls of the hot path are here.
constexpr int kAllowed[] = {
    // Sockets and pipes that exist.
    SYS_recvfrom,
    SYS_sendto,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_splice,
    SYS_accept4,
    SYS_connect,
    SYS_shutdown,
    SYS_close,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_getsockname,
    SYS_getpeername,
    // Waiting.
    SYS_epoll_pwait,
    SYS_epoll_ctl,
    SYS_epoll_create1,
    SYS_epoll_pwait2,
    SYS_ppoll,
    SYS_eventfd2,
    SYS_timerfd_create,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_pipe2,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    // Memory.
    SYS_munmap,
    SYS_madvise,
    SYS_brk,
    SYS_mremap,
    // Threads and signals.
    SYS_futex,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_gettid,
    SYS_getpid,
    SYS_getppid,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_exit,
    SYS_exit_group,
    // Reading descriptors that it was given; facts about itself.
    SYS_pread64,
    SYS_lseek,
    SYS_fstat,
    SYS_getrandom,
    SYS_getrusage,
    SYS_uname,
    SYS_sysinfo,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
#if defined(__x86_64__)
    SYS_epoll_wait,
    SYS_poll,
    SYS_time,
#endif
};

/// `argument & mask` is one of `values`. Only the lower half is compared, unless `upper`: the
/// kernel itself cuts what it declares as int.
struct Condition {
  unsigned argument;
  std::uint32_t mask;
  std::vector<std::uint32_t> values;
  bool upper = false;
};

class Program {
 public:
  void load(std::size_t offset) {
    add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  }
  void result(std::uint32_t value) { add(BPF_RET | BPF_K, value); }
  /// Skips the next `count` instructions unless the accumulator is `value`.
  void skip_unless(std::uint32_t value, std::size_t count) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, static_cast<std::uint8_t>(count));
  }
  void skip_if(std::uint32_t value, std::size_t count) {
    add(BPF_JMP | BPF_JEQ | BPF_K, value, static_cast<std::uint8_t>(count), 0);
  }
  void skip_below(std::uint32_t value, std::size_t count) {
    add(BPF_JMP | BPF_JGE | BPF_K, value, 0, static_cast<std::uint8_t>(count));
  }
  void answer(long number, std::uint32_t value) {
    skip_unless(static_cast<std::uint32_t>(number), 1);
    result(value);
  }
  void allow_if(long number, const std::vector<Condition>& conditions) {
    Program block;
    for (const Condition& condition : conditions) block.require(condition);
    block.result(SECCOMP_RET_ALLOW);
    skip_unless(static_cast<std::uint32_t>(number), block.code_.size());
    code_.insert(code_.end(), block.code_.begin(), block.code_.end());
  }
  std::vector<sock_filter> take() && { return std::move(code_); }

 private:
  void require(const Condition& condition) {
    load(offsetof(seccomp_data, args) + condition.argument * sizeof(std::uint64_t) +
         (condition.upper ? sizeof(std::uint32_t) : 0));
    add(BPF_ALU | BPF_AND | BPF_K, condition.mask);
    for (std::size_t left = condition.values.size(); const std::uint32_t value : condition.values) {
      // A match jumps over the other comparisons and the denial.
      add(BPF_JMP | BPF_JEQ | BPF_K, value, static_cast<std::uint8_t>(left--), 0);
    }
    result(kDeny);
  }
  void add(int code, std::uint32_t k, std::uint8_t yes = 0, std::uint8_t no = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), yes, no, k});
  }
  std::vector<sock_filter> code_;
};

constexpr std::uint32_t kAll = 0xffffffff;

void add_rules_with_arguments(Program& program) {
  // TCP over IPv4 and IPv6: no raw, packet, netlink or Unix sockets.
  program.allow_if(SYS_socket,
                   {{0, kAll, {AF_INET, AF_INET6}},
                    {1, ~static_cast<std::uint32_t>(SOCK_NONBLOCK | SOCK_CLOEXEC), {SOCK_STREAM}},
                    {2, kAll, {0, IPPROTO_TCP}}});
  // Threads, not processes, and no new namespaces.
  constexpr std::uint32_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                        CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
  program.allow_if(SYS_clone, {{0, CLONE_THREAD | kNamespaces, {CLONE_THREAD}}});
  program.answer(SYS_clone3, kPretendAbsent);  // Its flags are in memory, where no filter can look.
  // Memory that can be written is never run.
  program.allow_if(SYS_mmap, {{2, PROT_EXEC, {0}}});
  program.allow_if(SYS_mprotect, {{2, PROT_EXEC, {0}}});
  // Signals to itself only: abort().
  program.allow_if(SYS_tgkill, {{0, kAll, {static_cast<std::uint32_t>(::getpid())}}});
  program.allow_if(SYS_prctl, {{0, kAll, {PR_SET_NAME}}});
  // Limits may be read, its own.
  program.allow_if(SYS_prlimit64, {{0, kAll, {0}}, {2, kAll, {0}}, {2, kAll, {0}, true}});
  program.allow_if(
      SYS_fcntl, {{1, kAll, {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_SETPIPE_SZ}}});
  program.allow_if(SYS_ioctl, {{1, kAll, {FIONREAD, FIONBIO, TIOCOUTQ}}});
}

}  // namespace

std::vector<sock_filter> door_filter() {
  Program program;
  program.load(offsetof(seccomp_data, arch));
  program.skip_if(kArchitecture, 1);
  program.result(SECCOMP_RET_KILL_PROCESS);
  program.load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
  program.skip_below(kX32Bit, 1);
  program.result(kDeny);
#endif
  for (const int number : kAllowed) program.answer(number, SECCOMP_RET_ALLOW);
  add_rules_with_arguments(program);
  program.result(kDeny);
  return std::move(program).take();
}

}  // namespace bd::app
