#pragma once
// The sandbox of a door: what a process that parses hostile bytes gives up before it reads the
// first one.
//
//   no_new_privs   no program that it could start gains anything
//   Landlock       no file system, no TCP bind, no signal and no abstract socket outside
//   seccomp        an allow-list of system calls: memory, threads, clocks, the descriptors that it
//   has,
//                  new TCP sockets to connect with
//
// Landlock holds for the calling thread and what it starts, so all this comes before the first
// thread.

#include <cstdint>

namespace bd::app {

inline constexpr std::uint64_t kSandboxSeccomp = 1;
inline constexpr std::uint64_t kSandboxLandlock = 2;
inline constexpr std::uint64_t kSandboxNoNewPrivileges = 4;

struct Sandbox {
  std::uint64_t bits = 0;  ///< What is in force: kSandbox…, the value of stats.sandbox.
  int landlock_abi = 0;    ///< 0: this kernel has none, or a profile forbids it.
};

/// Becomes an unprivileged user if it is root and may. Clears the parent-death signal: ask again.
void give_up_root();

/// Enters the sandbox. What the kernel lacks is missing from `bits`, and logged. In sanitizer
/// builds it does nothing: they open files and map memory in their own ways at any time.
[[nodiscard]] Sandbox enter_sandbox();

/// Landlock alone: its ABI, or 0 if it is not in force. Needs no_new_privs. A part of
/// enter_sandbox(), apart for its test: behind seccomp it can't be seen.
[[nodiscard]] int enter_landlock();

/// `blastdoor sandbox`: enters it, tries what a door must not be able to do and what it needs, and
/// prints a table. 0 only if everything forbidden is denied and everything needed works.
[[nodiscard]] int run_sandbox_check();

}  // namespace bd::app
