"""The load: wrk on one core together with the upstream, and windows of measurement while it runs."""

import dataclasses
import json
import mmap
import os
import struct
import subprocess
import time

from . import machine, process
from .proxies import HOST, PATHS, UPSTREAM_PORT

KEEP_ALIVE, CLOSE = 'keep-alive', 'close'

SCRIPT = '''
wrk.method = "%(method)s"
wrk.headers["Host"] = "%(host)s"
if %(body)d > 0 then wrk.body = string.rep("x", %(body)d) end
if "%(connection)s" == "close" then wrk.headers["Connection"] = "close" end
local requests = {}
function init(args)
  for host = 0, %(hosts)d - 1 do
    for _, path in ipairs({%(paths)s}) do
      requests[#requests + 1] = wrk.format(nil, path, {Host = "h" .. host .. ".%(host)s"})
    end
  end
end
if %(hosts)d > 0 then
  function request() return requests[math.random(#requests)] end
end
function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format('{"requests": %%d, "us": %%d, "connect": %%d, "read": %%d, "write": %%d, ' ..
    '"timeout": %%d, "status": %%d, "p50_us": %%d, "p99_us": %%d}\\n', summary.requests, summary.duration,
    e.connect, e.read, e.write, e.timeout, e.status, latency:percentile(50), latency:percentile(99)))
end
'''


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    about: str
    response_body: int
    method: str = 'GET'
    request_body: int = 0
    connection: str = KEEP_ALIVE

    def target(self):
        return f'/c?bytes={self.response_body}'


CASES = (
    Case('get-128', 'GET, 128 B', 128),
    Case('get-10k', 'GET, 10 KiB', 10 << 10),
    Case('post-10k', 'POST 10 KiB, answer 128 B', 128, 'POST', 10 << 10),
    Case('close', 'GET, 128 B, a connection per request', 128, connection=CLOSE),
    Case('get-1m', 'GET, 1 MiB', 1 << 20),
)


@dataclasses.dataclass
class Window:
    """What the proxy used while the upstream sent `requests` responses."""

    requests: float
    seconds: float
    cpu: float
    foreign: float  # CPU that strangers used on our two cores, in cores.
    steal: float    # What the hypervisor took from them, in cores.

    def cpu_us(self):
        return self.cpu / self.requests * 1e6


@dataclasses.dataclass
class Run:
    case: str
    proxy: str
    windows: list
    result: dict
    memory_mib: float
    data_memory_mib: float
    problem: str = ''


class Rig:
    """The upstream and wrk on the second core, in front of whatever proxy is on the first."""

    def __init__(self, directory, upstream_binary, cores, connections=64):
        self.directory = directory
        self.binary = upstream_binary
        self.proxy_core, self.load_core = cores
        self.cores = machine.Cores(cores)
        self.connections = connections
        self.upstream = None
        self._counter = None

    def start(self):
        path = os.path.join(self.directory, 'counter')
        command = [self.binary, '127.0.0.1', str(UPSTREAM_PORT), path]
        self.upstream = process.Process(command, self.load_core, os.path.join(self.directory, 'upstream.log'))
        process.wait_until(lambda: process.status_of(f'http://127.0.0.1:{UPSTREAM_PORT}/', HOST) == 200, 5,
                           'the start of the upstream')
        with open(path, 'rb') as file:
            self._counter = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)

    def stop(self):
        if self.upstream:
            self.upstream.stop()

    def bytes_sent(self):
        return struct.unpack('<Q', self._counter[:8])[0]

    def response_bytes(self, case):
        """How many bytes the upstream sends for one request of this case."""
        before = self.bytes_sent()
        url = f'http://127.0.0.1:{UPSTREAM_PORT}{case.target()}'
        assert process.status_of(url, HOST) == 200
        return self.bytes_sent() - before

    def script(self, case, routes):
        path = os.path.join(self.directory, f'{case.name}-{routes}.lua')
        paths = ', '.join(f'"{p}?bytes={case.response_body}"' for p in PATHS)
        with open(path, 'w') as file:
            file.write(SCRIPT % {'method': case.method, 'host': HOST, 'body': case.request_body,
                                 'connection': case.connection, 'hosts': routes, 'paths': paths})
        return path

    def wrk_command(self, proxy, case, seconds, routes=0):
        return ['wrk', '-t1', f'-c{self.connections}', f'-d{seconds:.0f}s', '--timeout', '10s', '-s',
                self.script(case, routes), f'http://127.0.0.1:{proxy.port}{case.target()}']

    def run(self, proxy, case, warm_up=1.0, windows=4, window=0.5, routes=0):
        """One run of wrk with some windows in it."""
        size = self.response_bytes(case)
        pids = proxy.pids()
        seconds = warm_up + windows * window
        first_bytes = self.bytes_sent()
        wrk = subprocess.Popen(self.wrk_command(proxy, case, seconds + 1, routes), stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True, preexec_fn=self._prepare)
        time.sleep(warm_up)
        ours = [*pids, wrk.pid, self.upstream.pid, os.getpid()]
        readings = [self._read(pids, ours)]
        for _ in range(windows):
            time.sleep(window)
            readings.append(self._read(pids, ours))
        out = wrk.communicate(timeout=60)[0]
        result = self._result(out)
        run = Run(case.name, proxy.name, [], result, process.memory_mib(proxy.pids()),
                  process.memory_mib([proxy.data_pid()]))
        for before, after in zip(readings, readings[1:]):
            foreign, steal = self.cores.between(before['cores'], after['cores'], after['ours'] - before['ours'])
            requests = (after['bytes'] - before['bytes']) / size
            run.windows.append(Window(requests, after['cores'][0] - before['cores'][0], after['cpu'] - before['cpu'],
                                      foreign, steal))
        run.problem = self._problem(run, (self.bytes_sent() - first_bytes) / size, out, proxy)
        return run

    def _prepare(self):
        os.sched_setaffinity(0, {self.load_core})
        machine.first_in_line()

    def _read(self, pids, ours):
        """All clocks and counters at one moment: again if we lost the core in between."""
        for _ in range(20):
            begin = time.monotonic()
            out = {'cpu': process.cpu_seconds(pids), 'bytes': self.bytes_sent(), 'cores': self.cores.read(),
                   'ours': process.cpu_seconds(ours)}
            if time.monotonic() - begin < 0.002:
                break
        return out

    @staticmethod
    def _result(out):
        for line in out.splitlines():
            if line.startswith('{'):
                return json.loads(line)
        return {}

    def _problem(self, run, upstream_requests, out, proxy):
        """Why this run must not be reported. Empty: nothing is wrong with it."""
        if not run.result:
            return 'wrk failed: ' + out.strip()[-200:]
        errors = {key: run.result[key] for key in ('connect', 'read', 'write', 'timeout', 'status')
                  if run.result[key]}
        if errors:
            return ', '.join(f'{count} {key} errors' for key, count in errors.items())
        # wrk counts only 4xx and 5xx. Whatever the upstream did not send, the proxy made up.
        apart = abs(run.result['requests'] - upstream_requests)
        if apart > 2 * self.connections:
            return f"{run.result['requests']} answers, but {upstream_requests:.0f} from the upstream"
        if not proxy.process.running() or any(w.requests <= 0 for w in run.windows):
            return f'{proxy.name} stopped'
        return ''
