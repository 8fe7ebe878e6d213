"""One proxy process under strace or under callgrind, and what they counted."""

import os
import re
import signal
import socket
import subprocess

from . import process, proxies
from .cases import PLAIN, TLS

def syscalls(pid, work, log):
    """{name: calls} of all threads of `pid` while `work()` runs, and what `work` returned."""
    tracer = subprocess.Popen(['strace', '-f', '-c', '-qq', '-U', 'name,calls', '-p', str(pid), '-o', log],
                              start_new_session=True)
    try:
        process.wait_until(lambda: all_traced(pid), 10, 'attaching strace')
        done = work()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(30)
    counts = {}
    with open(log) as file:
        for line in file:
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] != 'total':
                counts[words[0]] = int(words[1])
    return counts, done


def all_traced(pid):
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/status') as file:
            if 'TracerPid:\t0\n' in file.read():
                return False
    return True


def callgrind(out):
    """Valgrind refuses seccomp and Landlock, which it does not know: a door runs on without its sandbox, and so
    valgrind can still make system calls of its own in it."""
    return ['valgrind', '-q', '--tool=callgrind', '--vgdb=no', f'--callgrind-out-file={out}']


class BareDoor(proxies.Blastdoor):
    """A door without its supervisor: the real one's snapshot and arguments, and sockets of our own.

    So a wrapper can run it, which `blastdoor run` gives no room for.
    """

    name = 'blastdoor'

    def start(self, routes=0, patience=120):
        self.configure(routes)
        wrapper, self.wrapper = self.wrapper, []
        super().start(routes)
        try:
            words, passed = self._belongings()
        finally:
            super().stop()
        binary = self.file('blastdoor')
        # This valgrind cannot read the DWARF 5 of clang-19. The code and the symbols are those of the release.
        subprocess.run(['strip', '--strip-debug', '-o', binary, self.binary], check=True)
        self.log = self.file('door.log')
        with open(self.log, 'ab') as out:
            child = subprocess.Popen(wrapper + [binary] + words, stdout=out, stderr=out,
                                     pass_fds=passed, start_new_session=True, cwd=self.directory)
        for descriptor in passed:
            os.close(descriptor)
        self.process = _Adopted(child, self.log)
        host = proxies.host_name(routes - 1) if routes else proxies.HOST
        return process.wait_until(lambda: self.serves(host), patience, 'the start of a door')

    def _belongings(self):
        """The words and the descriptors of a door that was started with a snapshot: a second one."""
        first = self.role('door')
        os.kill(first, signal.SIGKILL)
        process.wait_until(lambda: self.role('door') not in (None, first) and
                           '--snapshot=' in process.command_line(self.role('door')), 10, 'the respawn')
        process.wait_until(lambda: self.serves(proxies.HOST), 10, 'the respawn')
        door = self.role('door')
        with open(f'/proc/{door}/cmdline') as file:
            words = file.read().rstrip('\0').split('\0')[1:]
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.port += 1
        numbers = {'--channel': theirs.detach(), '--parent': os.getpid()}
        out, passed = [], [numbers['--channel']]
        for word in words:
            key, equals, value = word.partition('=')
            if key in ('--stats', '--snapshot'):
                numbers[key] = os.open(f'/proc/{self.process.pid}/fd/{value}', os.O_RDWR if key == '--stats' else
                                       os.O_RDONLY)
                passed.append(numbers[key])
            if key == '--listen':
                name = value.split(':')[0]
                listener = socket.create_server(('127.0.0.1', self.port_of(TLS if name == 'tls' else PLAIN)),
                                                backlog=4096)
                listener.setblocking(False)
                passed.append(listener.detach())
                out.append(f'{key}={name}:{passed[-1]}')
            else:
                out.append(f'{key}={numbers[key]}' if equals and key in numbers else word)
        return out, passed


class _Adopted(process.Process):
    def __init__(self, child, log):
        self._child, self.pid, self.log = child, child.pid, log


class BareNginx(proxies.Nginx):
    extra = 'master_process off;'


COUNTED = re.compile(r'^[+\-*\d]')
NAMED = re.compile(r'^fn=\((\d+)\)(?: (.*))?$')
CALLED = re.compile(r'^cfn=\((\d+)\)(?: (.*))?$')


ALLOCATORS = ('malloc', 'calloc', 'realloc', 'posix_memalign', 'aligned_alloc')
COPIERS = ('memcpy', 'memmove')


def instructions(path):
    """{function: instructions of its own}, and {function: times it was called}, from one callgrind file."""
    names, costs, calls, current, called, callee = {}, {}, {}, None, None, False
    with open(path, errors='replace') as file:
        for line in file:
            if COUNTED.match(line):
                if not callee:
                    costs[current] = costs.get(current, 0) + int(line.split()[1])
                callee = False
            elif line.startswith('calls='):
                callee = True
                calls[called] = calls.get(called, 0) + int(line[6:].split()[0])
            elif match := NAMED.match(line) or CALLED.match(line):
                number, name = match.groups()
                if name:
                    names[number] = name
                if line.startswith('fn='):
                    current = number
                else:
                    called = number
    return tuple({names[number]: count for number, count in counts.items() if number is not None}
                 for counts in (costs, calls))


def counted(calls, words):
    """How often the functions with one of these words as their name, or as a part of the libc's, were called."""
    return sum(count for name, count in calls.items()
               if name.split("'")[0] in words or any(name.startswith(f'__{word}_') for word in words))
