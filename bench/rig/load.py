"""The load on one core together with the upstreams, and windows of measurement while it runs."""

import dataclasses
import http.client
import mmap
import os
import shutil
import ssl
import struct
import subprocess
import time

from . import cases, machine, process, tools
from .proxies import GRPC_PORT, HOST, UPSTREAM_PORT


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
    """The upstreams and the load on the second core, in front of whatever proxy is on the first."""

    def __init__(self, directory, programs, cores):
        self.directory = directory
        self.programs = programs
        self.proxy_core, self.load_core = cores
        self.cores = machine.Cores(cores)
        self.upstreams = []
        self._counters = []

    def start(self):
        shutil.copy(self.programs['load'], os.path.join(self.directory, 'load'))
        for name, port in (('upstream', UPSTREAM_PORT), ('upstream_h2', GRPC_PORT)):
            path = os.path.join(self.directory, name + '.counter')
            command = [self.programs[name], '127.0.0.1', str(port), path]
            self.upstreams.append(
                process.Process(command, self.load_core, os.path.join(self.directory, name + '.log')))
            process.wait_until(lambda: process.accepts(port), 5, f'the start of {name}')
            with open(path, 'rb') as file:
                self._counters.append(mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ))

    def stop(self):
        for upstream in self.upstreams:
            upstream.stop()

    def counted(self):
        """What the upstreams have counted: bytes of the one, calls of the other. A case has one of the two."""
        return sum(struct.unpack('<Q', counter[:8])[0] for counter in self._counters)

    def unit(self, case):
        """How much the upstream counts for one request of this case."""
        if case.is_grpc():
            return 1
        if case.tool == cases.WEBSOCKET:
            return cases.FRAME_HEAD + case.response_body
        before = self.counted()
        answer(UPSTREAM_PORT, case, secure=False)
        # It counts what it has sent after it has sent it.
        process.wait_until(lambda: self.counted() - before > case.response_body, 5, 'the count of an upstream')
        return self.counted() - before

    def run(self, proxy, case, warm_up=1.0, windows=4, window=0.5, routes=0):
        """One run of the load with some windows in it."""
        unit = self.unit(case)
        if case.tool == cases.WRK and not routes:
            answer(proxy.port_of(case.listener), case, secure=case.listener == cases.TLS)
        pids = proxy.pids()
        seconds = warm_up + windows * window
        first = self.counted()
        load = subprocess.Popen(tools.command(self.directory, proxy, case, seconds + 1, routes),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                                preexec_fn=self._prepare, env=dict(os.environ, GOMAXPROCS='1'))
        time.sleep(warm_up)
        ours = [*pids, load.pid, *(upstream.pid for upstream in self.upstreams), os.getpid()]
        readings = [self._read(pids, ours)]
        for _ in range(windows):
            time.sleep(window)
            readings.append(self._read(pids, ours))
        out = load.communicate(timeout=60)[0]
        result = tools.result(case, out)
        run = Run(case.name, proxy.name, [], result, process.memory_mib(proxy.pids()),
                  process.memory_mib([proxy.data_pid()]))
        for before, after in zip(readings, readings[1:]):
            foreign, steal = self.cores.between(before['cores'], after['cores'], after['ours'] - before['ours'])
            requests = (after['count'] - before['count']) / unit
            run.windows.append(Window(requests, after['cores'][0] - before['cores'][0], after['cpu'] - before['cpu'],
                                      foreign, steal))
        run.problem = self._problem(run, (self.counted() - first) / unit, out, proxy, case)
        return run

    def _prepare(self):
        os.sched_setaffinity(0, {self.load_core})
        machine.first_in_line()

    def _read(self, pids, ours):
        """All clocks and counters at one moment: again if we lost the core in between."""
        for _ in range(20):
            begin = time.monotonic()
            out = {'cpu': process.cpu_seconds(pids), 'count': self.counted(), 'cores': self.cores.read(),
                   'ours': process.cpu_seconds(ours)}
            if time.monotonic() - begin < 0.002:
                break
        return out

    @staticmethod
    def _problem(run, upstream_requests, out, proxy, case):
        """Why this run must not be reported. Empty: nothing is wrong with it."""
        if not run.result:
            return 'the load failed: ' + out.strip()[-200:]
        if problem := tools.problem(case, run.result):
            return problem
        # Not every tool tells of all statuses. Whatever the upstream did not send, the proxy made up.
        apart = abs(run.result['requests'] - upstream_requests)
        if apart > 2 * case.in_flight() + 1:
            return f"{run.result['requests']} answers, but {upstream_requests:.0f} from the upstream"
        if not proxy.process.running() or any(w.requests <= 0 for w in run.windows):
            return f'{proxy.name} stopped'
        return ''


def answer(port, case, secure):
    """One request over HTTP/1.1, and an error if the answer is not the upstream's, to the byte."""
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = http.client.HTTPSConnection('127.0.0.1', port, timeout=10, context=context)
    else:
        client = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
    client.request(case.method, case.target(), body=b'x' * case.request_body or None, headers={'Host': HOST})
    response = client.getresponse()
    body = response.read()
    version = client.sock.version() if secure and client.sock else None
    client.close()
    if response.status != 200 or body != b'x' * case.response_body or version not in (None, 'TLSv1.3'):
        raise RuntimeError(f'{case.name}: a wrong answer: {response.status}, {len(body)} bytes, {version}')
