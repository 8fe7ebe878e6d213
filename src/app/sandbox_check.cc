// `blastdoor sandbox`: the proof that the sandbox holds, made by the very binary and on the very
// kernel that it has to hold on.

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>

#include "app/sandbox.h"
#include "base/unique_fd.h"
#include "feed/control_channel.h"

namespace bd::app {
namespace {

/// What is made before the door shuts, as the supervisor does for a door.
struct Belongings {
  UniqueFd listener, unbound;
  sockaddr_in address{};
  feed::ChannelPair channel = feed::make_channel();

  Belongings() : listener(tcp()), unbound(tcp()) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size);
    ::listen(listener.get(), 8);
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  }
  static int tcp() { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }
};

struct Attempt {
  const char* name;
  long (*run)(Belongings&);  ///< -1 and errno, as a system call.
};

long fork_by(long number, unsigned long flags) {
  const long child = ::syscall(number, flags, 0, 0, 0, 0);
  if (child == 0) ::_exit(0);
  return child;
}

template <class... Arguments>
long call(long number, Arguments... arguments) {
  return ::syscall(number, arguments...);
}

char g_byte;
iovec g_vector{&g_byte, 1};
char g_program[] = "/bin/false";
char* g_arguments[] = {g_program, nullptr};

const Attempt kForbidden[] = {
    {"openat /etc/passwd",
     [](Belongings&) { return call(SYS_openat, AT_FDCWD, "/etc/passwd", 0); }},
    {"openat /proc/self/mem",
     [](Belongings&) { return call(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR); }},
    {"openat2", [](Belongings&) { return call(SYS_openat2, AT_FDCWD, "/", nullptr, 0); }},
#ifdef SYS_open
    {"open", [](Belongings&) { return call(SYS_open, "/etc/passwd", 0); }},
    {"creat", [](Belongings&) { return call(SYS_creat, "/tmp/blastdoor-escaped", 0600); }},
    {"fork", [](Belongings&) { return fork_by(SYS_fork, 0); }},
#endif
    {"newfstatat",
     [](Belongings&) { return call(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &g_byte, 0); }},
    {"unlinkat", [](Belongings&) { return call(SYS_unlinkat, AT_FDCWD, "/nowhere/at-all", 0); }},
    {"chdir", [](Belongings&) { return call(SYS_chdir, "/"); }},
    {"execve", [](Belongings&) { return call(SYS_execve, g_program, g_arguments, nullptr); }},
    {"execveat",
     [](Belongings&) { return call(SYS_execveat, AT_FDCWD, g_program, g_arguments, nullptr, 0); }},
    {"clone of a process", [](Belongings&) { return fork_by(SYS_clone, SIGCHLD); }},
    {"clone3", [](Belongings&) { return call(SYS_clone3, nullptr, 0); }},
    {"ptrace", [](Belongings&) { return call(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0); }},
    {"process_vm_readv",
     [](Belongings&) {
       return call(SYS_process_vm_readv, ::getppid(), &g_vector, 1, &g_vector, 1, 0);
     }},
    {"process_vm_writev",
     [](Belongings&) {
       return call(SYS_process_vm_writev, ::getppid(), &g_vector, 1, &g_vector, 1, 0);
     }},
    {"pidfd_open", [](Belongings&) { return call(SYS_pidfd_open, ::getppid(), 0); }},
    {"pidfd_getfd", [](Belongings&) { return call(SYS_pidfd_getfd, 0, 0, 0); }},
    {"kill the parent", [](Belongings&) { return call(SYS_kill, ::getppid(), 0); }},
    {"tgkill the parent",
     [](Belongings&) { return call(SYS_tgkill, ::getppid(), ::getppid(), 0); }},
    {"bind",
     [](Belongings& own) {
       sockaddr_in any{};
       any.sin_family = AF_INET;
       return call(SYS_bind, own.unbound.get(), &any, sizeof any);
     }},
    {"listen", [](Belongings& own) { return call(SYS_listen, own.unbound.get(), 1); }},
    {"socket AF_UNIX", [](Belongings&) { return call(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }},
    {"socket AF_UNIX, 64 bit",
     [](Belongings&) { return call(SYS_socket, 0x100000000L | AF_UNIX, SOCK_STREAM, 0); }},
    {"socket AF_NETLINK", [](Belongings&) { return call(SYS_socket, AF_NETLINK, SOCK_RAW, 0); }},
    {"socket AF_PACKET", [](Belongings&) { return call(SYS_socket, AF_PACKET, SOCK_RAW, 0); }},
    {"socket AF_INET, raw",
     [](Belongings&) { return call(SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP); }},
    {"socket AF_INET, datagrams",
     [](Belongings&) { return call(SYS_socket, AF_INET, SOCK_DGRAM, 0); }},
    {"socketpair",
     [](Belongings&) {
       int pair[2];
       return call(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
     }},
    {"memfd_create", [](Belongings&) { return call(SYS_memfd_create, "x", 0); }},
    {"mmap of code",
     [](Belongings&) {
       return call(SYS_mmap, nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                   0);
     }},
    {"mprotect to code", [](Belongings&) { return call(SYS_mprotect, &g_byte, 0, PROT_EXEC); }},
    {"mount", [](Belongings&) { return call(SYS_mount, "none", "/nowhere", "tmpfs", 0, nullptr); }},
    {"umount2", [](Belongings&) { return call(SYS_umount2, "/nowhere", 0); }},
    {"chroot", [](Belongings&) { return call(SYS_chroot, "/"); }},
    {"unshare", [](Belongings&) { return call(SYS_unshare, 0); }},
    {"setns", [](Belongings&) { return call(SYS_setns, -1, 0); }},
    {"bpf", [](Belongings&) { return call(SYS_bpf, 0, nullptr, 0); }},
    {"perf_event_open",
     [](Belongings&) { return call(SYS_perf_event_open, nullptr, 0, -1, -1, 0); }},
    {"keyctl",
     [](Belongings&) {
       return call(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
     }},
    {"io_uring_setup", [](Belongings&) { return call(SYS_io_uring_setup, 1, nullptr); }},
    {"userfaultfd", [](Belongings&) { return call(SYS_userfaultfd, 0); }},
    {"init_module", [](Belongings&) { return call(SYS_init_module, nullptr, 0, nullptr); }},
    {"kexec_load", [](Belongings&) { return call(SYS_kexec_load, 0, 0, nullptr, 0); }},
    {"setuid", [](Belongings&) { return call(SYS_setuid, ::getuid()); }},
    {"capset", [](Belongings&) { return call(SYS_capset, nullptr, nullptr); }},
    {"setrlimit",
     [](Belongings&) {
       const rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
       return call(SYS_prlimit64, 0, RLIMIT_CORE, &limit, nullptr);
     }},
    {"prctl PR_SET_DUMPABLE", [](Belongings&) { return call(SYS_prctl, PR_SET_DUMPABLE, 1); }},
    {"fcntl F_SETOWN",
     [](Belongings& own) { return call(SYS_fcntl, own.unbound.get(), F_SETOWN, ::getppid()); }},
    {"a system call of the future", [](Belongings&) { return call(1000L); }},
#if defined(__x86_64__)
    {"openat by its x32 number",
     [](Belongings&) { return call(0x40000000L + SYS_openat, AT_FDCWD, "/etc/passwd", 0); }},
#endif
};

const Attempt kNeeded[] = {
    {"start a thread",
     [](Belongings&) {
       bool ran = false;
       std::thread([&ran] { ran = true; }).join();
       return ran ? 0L : -1L;
     }},
    {"a large allocation",
     [](Belongings&) {
       const std::vector<char> memory(std::size_t{64} << 20, 'x');
       return memory.back() == 'x' ? 0L : -1L;
     }},
    {"connect, accept, exchange bytes",
     [](Belongings& own) {
       const UniqueFd client(
           ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
       ::connect(client.get(), reinterpret_cast<const sockaddr*>(&own.address), sizeof own.address);
       const UniqueFd server(::accept4(own.listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
       if (::send(client.get(), "hello", 5, MSG_NOSIGNAL) != 5) return -1L;
       char text[8];
       return ::recv(server.get(), text, sizeof text, 0) == 5 ? 0L : -1L;
     }},
    {"epoll, eventfd, timerfd",
     [](Belongings&) {
       const UniqueFd loop(static_cast<int>(call(SYS_epoll_create1, 0)));
       const UniqueFd event(::eventfd(1, EFD_NONBLOCK));
       const UniqueFd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
       std::uint64_t count = 0;
       return loop && timer ? static_cast<long>(::read(event.get(), &count, sizeof count)) : -1L;
     }},
    {"take a descriptor from the supervisor",
     [](Belongings& own) {
       feed::Received got;
       const auto record = feed::Message::make(feed::Record::door_feed, "x");
       if (!feed::send(own.channel.supervisor.get(), record, own.unbound.get())) return -1L;
       const bool good = feed::receive(own.channel.child.get(), got) == feed::ReceiveStatus::ok;
       return good && got.fd ? 0L : -1L;
     }},
    {"splice through a pipe",
     [](Belongings&) {
       int first[2], second[2];
       if (::pipe2(first, O_NONBLOCK | O_CLOEXEC) != 0) return -1L;
       const UniqueFd out(first[0]), in(first[1]);
       if (::pipe2(second, O_NONBLOCK | O_CLOEXEC) != 0) return -1L;
       const UniqueFd end(second[0]), begin(second[1]);
       if (::fcntl(begin.get(), F_SETPIPE_SZ, 2 << 16) < 0) return -1L;
       if (::write(in.get(), "x", 1) != 1) return -1L;
       return static_cast<long>(::splice(out.get(), nullptr, begin.get(), nullptr, 1, 0));
     }},
    {"read its limits",
     [](Belongings&) {
       rlimit limit{};
       return static_cast<long>(::getrlimit(RLIMIT_NOFILE, &limit));
     }},
    {"random numbers", [](Belongings&) { return call(SYS_getrandom, &g_byte, 1, 0); }},
    {"name a thread",
     [](Belongings&) { return static_cast<long>(::prctl(PR_SET_NAME, "sandboxed")); }},
};

/// True if it came out as it should.
bool report(const Attempt& attempt, bool forbidden, Belongings& own) {
  errno = 0;
  const long result = attempt.run(own);
  const int error = errno;
  const bool denied = result == -1 && (error == EPERM || error == ENOSYS);
  const bool good = forbidden ? denied : result != -1;
  const char* word = forbidden ? (denied ? "denied" : "ALLOWED") : (good ? "works" : "BROKEN");
  std::printf("%-8s %-40s %s\n", word, attempt.name, result == -1 ? std::strerror(error) : "");
  return good;
}

}  // namespace

int run_sandbox_check() {
  Belongings own;
  // Whoever runs this stays who they are: as root, only the sandbox can be what denies.
  const Sandbox sandbox = enter_sandbox();
  bool good = true;
  for (const Attempt& attempt : kForbidden) good = report(attempt, true, own) && good;
  for (const Attempt& attempt : kNeeded) good = report(attempt, false, own) && good;
  std::printf("\nseccomp %s, no_new_privs %s, Landlock ABI %d\n%s\n",
              (sandbox.bits & kSandboxSeccomp) != 0 ? "on" : "OFF",
              (sandbox.bits & kSandboxNoNewPrivileges) != 0 ? "on" : "OFF", sandbox.landlock_abi,
              good ? "The sandbox holds." : "THE SANDBOX DOES NOT HOLD.");
  std::fflush(stdout);
  return good ? 0 : 1;
}

}  // namespace bd::app
