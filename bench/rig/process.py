"""Processes that are pinned to a core, and what a whole tree of them has used."""

import glob
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from . import machine


class Process:
    """One program, pinned to `core`, in a session of its own. Its output goes to `log`."""

    def __init__(self, command, core, log, env=None):
        def prepare():
            if core is not None:
                os.sched_setaffinity(0, {core})
            machine.first_in_line()

        self.log = log
        with open(log, 'ab') as out:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env,
                                           start_new_session=True, preexec_fn=prepare)
        self.pid = self._child.pid

    def running(self):
        return self._child.poll() is None

    def stop(self, gently=signal.SIGTERM, patience=10):
        """Ends it with all its children."""
        if self.running():
            self._child.send_signal(gently)
            try:
                self._child.wait(patience)
            except subprocess.TimeoutExpired:
                pass
        for pid in tree(self.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._child.wait()

    def log_tail(self, lines=12):
        with open(self.log, errors='replace') as file:
            return ''.join(file.readlines()[-lines:])


def tree(root):
    """The pid `root` and all its descendants."""
    children = {}
    for path in glob.glob('/proc/[0-9]*/stat'):
        try:
            with open(path) as file:
                text = file.read()
        except OSError:
            continue
        parent = int(text[text.rindex(')') + 2:].split()[1])
        children.setdefault(parent, []).append(int(path.split('/')[2]))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        if os.path.exists(f'/proc/{pid}'):
            found.append(pid)
        queue += children.get(pid, [])
    return found


def cpu_seconds(pids):
    """What all threads of `pids` have run so far, from the scheduler's own nanosecond clock."""
    total = 0
    for pid in pids:
        for path in glob.glob(f'/proc/{pid}/task/*/schedstat'):
            try:
                with open(path) as file:
                    total += int(file.read().split()[0])
            except OSError:
                pass
    return total / 1e9


def memory_mib(pids):
    """The resident memory of `pids`, each shared page counted once per share (PSS)."""
    total = 0
    for pid in pids:
        try:
            with open(f'/proc/{pid}/smaps_rollup') as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith('Pss:'))
        except OSError:
            pass
    return total / 1024


def command_line(pid):
    try:
        with open(f'/proc/{pid}/cmdline') as file:
            return file.read().replace('\0', ' ')
    except OSError:
        return ''


def status_of(url, host):
    """The status that one request gets; 0 if nobody answers."""
    request = urllib.request.Request(url, headers={'Host': host})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def accepts(port):
    """True if somebody listens on this port of loopback."""
    try:
        socket.create_connection(('127.0.0.1', port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(check, seconds, what):
    """How long it took until `check` said yes."""
    begin = time.monotonic()
    while not check():
        if time.monotonic() - begin > seconds:
            raise RuntimeError(f'{what} took more than {seconds} s')
        time.sleep(0.005)
    return time.monotonic() - begin
