"""The machine under the benchmarks: a private network, what else runs on its cores, and its facts."""

import os
import platform
import resource
import shutil
import subprocess
import sys
import time

# In a network namespace of its own every port is free, and these need not be put back.
SYSCTLS = {
    'net/ipv4/ip_local_port_range': '11025 65535',  # Above every port that a proxy or its upstream listens on.
    'net/ipv4/tcp_tw_reuse': '1',
    'net/core/somaxconn': '65535',
}
FILES = 131072


def enter_own_network():
    """Starts this program again inside network and process namespaces of its own, if it is not there yet.

    When it ends, however it ends, the kernel kills every process that it started.
    """
    if os.environ.get('BENCH_INSIDE') == '1':
        return _prepare_inside()
    tool = shutil.which('unshare')
    if tool is None:
        sys.exit('bench: unshare is missing (Debian: util-linux)')
    command = [tool, '--net', '--pid', '--fork', '--kill-child', '--mount-proc']
    if os.geteuid() != 0:
        command.append('--map-root-user')
    sys.stdout.flush()
    os.execve(tool, command + [sys.executable] + sys.argv, dict(os.environ, BENCH_INSIDE='1'))


def _prepare_inside():
    ip = shutil.which('ip') or '/usr/sbin/ip'
    subprocess.run([ip, 'link', 'set', 'lo', 'up'], check=True)
    allow_many_files()
    for name, value in SYSCTLS.items():
        try:
            with open('/proc/sys/' + name, 'w') as file:
                file.write(value)
        except OSError as error:
            print(f'bench: {name} stays as it is: {error.strerror}', file=sys.stderr)


def first_in_line():
    """Puts the calling process, in a session of its own, before others on the machine, where that is allowed."""
    try:
        with open('/proc/self/autogroup', 'w') as file:
            file.write('-20')
    except OSError:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, -20)
        except OSError:
            pass  # Not root: windows that others disturb are discarded all the same.


def allow_many_files():
    """Lets the calling process and its children open as many files as it may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in (FILES, hard):
        try:
            return resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        except (OSError, ValueError):
            continue


def connections_max():
    """How many clients a proxy can have here that opens two files for each."""
    return min(FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0]) // 2 - 150


class Cores:
    """What two readings of some cores' clocks say about the time between them."""

    TICK = 1 / os.sysconf('SC_CLK_TCK')

    def __init__(self, numbers):
        self.numbers = set(numbers)

    def read(self):
        """(now, seconds without work, seconds stolen by the hypervisor), over all these cores."""
        idle = steal = 0
        with open('/proc/stat') as file:
            for line in file:
                name, *fields = line.split()
                if name.startswith('cpu') and name[3:].isdigit() and int(name[3:]) in self.numbers:
                    idle += int(fields[3]) + int(fields[4])
                    steal += int(fields[7])
        return time.monotonic(), idle * self.TICK, steal * self.TICK

    def between(self, before, after, ours):
        """(foreign, steal) in cores, where `ours` is the CPU seconds that we used ourselves."""
        elapsed = after[0] - before[0]
        idle, steal = after[1] - before[1], after[2] - before[2]
        foreign = elapsed * len(self.numbers) - idle - steal - ours
        return max(0.0, foreign / elapsed), steal / elapsed


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return 'unknown'
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0].strip() if text else 'unknown'


def facts(repository):
    """What a reader has to know to judge the figures."""
    model, virtual = 'unknown', ''
    with open('/proc/cpuinfo') as file:
        for line in file:
            if line.startswith('model name'):
                model = line.split(':', 1)[1].strip()
            elif line.startswith('flags') and ' hypervisor' in line:
                virtual = ', a virtual machine'
    with open('/proc/meminfo') as file:
        memory = int(file.readline().split()[1]) >> 20
    git = ['git', '-c', f'safe.directory={repository}', '-C', repository]
    commit = first_line(git + ['rev-parse', '--short', 'HEAD'])
    changed = subprocess.run(git + ['status', '--porcelain', '--untracked-files=no', 'src'], capture_output=True)
    return {
        'date': time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime()),
        'machine': f'{os.cpu_count()} x {model}, {memory} GiB{virtual}',
        'kernel': platform.release(),
        'load_before': '%.1f' % os.getloadavg()[0],
        'commit': commit + (' and changes in src/' if changed.stdout else ''),
    }
