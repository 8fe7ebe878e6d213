"""The programs that make the load: how each is called, and what it says at the end.

All results have the same keys: how many requests, how many errors of each kind, p50_us, p99_us (None of h2load,
which tells only the mean), and where the tool tells it `body_bytes`, how many bytes of bodies (wrk: of heads too) came.
"""

import json
import os
import re

from . import cases
from .proxies import HOST, PATHS

ERRORS = ('connect', 'read', 'write', 'timeout', 'status')
HEAD_MAX = 1024  # Bytes of one response's head, generously.

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
  if %(hosts)d == 0 then requests[1] = wrk.format() end
end
if %(hosts)d > 0 then
  function request() return requests[math.random(#requests)] end
else
  function request() return requests[1] end
end
function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format('{"requests": %%d, "us": %%d, "connect": %%d, "read": %%d, "write": %%d, ' ..
    '"timeout": %%d, "status": %%d, "body_bytes": %%d, "p50_us": %%d, "p99_us": %%d}\\n', summary.requests,
    summary.duration, e.connect, e.read, e.write, e.timeout, e.status, summary.bytes,
    latency:percentile(50), latency:percentile(99)))
end
'''


def wrk(directory, proxy, case, seconds, routes):
    path = os.path.join(directory, f'{case.name}-{routes}.lua')
    paths = ', '.join(f'"{p}?bytes={case.response_body}"' for p in PATHS)
    with open(path, 'w') as file:
        file.write(SCRIPT % {'method': case.method, 'host': HOST, 'body': case.request_body,
                             'connection': case.connection, 'hosts': routes, 'paths': paths})
    scheme = 'https' if case.listener == cases.TLS else 'http'
    return ['wrk', '-t1', f'-c{case.connections}', f'-d{seconds:.0f}s', '--timeout', '10s', '-s', path,
            f'{scheme}://127.0.0.1:{proxy.port_of(case.listener)}{case.target()}']


def h2load(directory, proxy, case, seconds=None, requests=None):
    scheme = 'https' if case.listener == cases.TLS else 'http'
    command = ['h2load', '-t1', f'-c{case.connections}', f'-m{case.streams}']
    command += ['-D', f'{seconds:.0f}'] if seconds else ['-n', str(requests)]
    if case.is_grpc():
        body = os.path.join(directory, 'grpc-message')
        with open(body, 'wb') as file:
            file.write(b'\0' + (case.request_body - 5).to_bytes(4, 'big') + b'x' * (case.request_body - 5))
        command += ['-d', body, '-H', 'content-type: application/grpc', '-H', 'te: trailers']
    return command + [f'--connect-to=127.0.0.1:{proxy.port_of(case.listener)}',
                      f'{scheme}://{HOST}{case.target()}']


def command(directory, proxy, case, seconds, routes=0):
    if case.tool == cases.WRK:
        return wrk(directory, proxy, case, seconds, routes)
    if case.tool == cases.H2LOAD:
        return h2load(directory, proxy, case, seconds)
    return [os.path.join(directory, 'load'), case.tool, f'127.0.0.1:{proxy.port_of(case.listener)}', HOST,
            str(case.connections), f'{seconds:.1f}']


def h2load_result(out):
    counts = re.search(r'requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, '
                       r'(\d+) timeout', out)
    statuses = re.search(r'status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx', out)
    data = re.search(r'\(\d+\) headers.*, \S+ \((\d+)\) data', out)
    if not (counts and statuses and data):
        return {}
    _, succeeded, failed, errored, timeout = map(int, counts.groups())
    return {'requests': succeeded, 'connect': 0, 'read': errored, 'write': 0, 'timeout': timeout,
            'status': max(failed - errored - timeout, 0) + sum(map(int, statuses.groups())),
            'body_bytes': int(data[1]), 'p50_us': None, 'p99_us': None}


def result(case, out):
    """What the tool said; empty if it said nothing that makes sense."""
    if case.tool == cases.H2LOAD:
        return h2load_result(out)
    for line in out.splitlines():
        if line.startswith('{'):
            return json.loads(line)
    return {}


def problem(case, said):
    """What is wrong with the answers. Empty: nothing."""
    if said.get('problem'):
        return said['problem']
    errors = {key: said[key] for key in ERRORS if said[key]}
    if errors:
        return ', '.join(f'{count} {key} errors' for key, count in errors.items())
    if 'body_bytes' in said:
        # Answers that were on their way at the end count with the one and not with the other.
        least = case.response_body * (said['requests'] - case.in_flight())
        most = (case.response_body + HEAD_MAX) * (said['requests'] + case.in_flight())
        if not least <= said['body_bytes'] <= most:
            return f"{said['requests']} answers, but {said['body_bytes']} bytes"
    return ''
