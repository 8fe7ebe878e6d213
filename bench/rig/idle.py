"""What connections take that are open and silent: memory of the process that holds them."""

import os
import subprocess
import time

from . import cases, machine, process, proxies, report, setup

PATIENCE = 240  # Seconds, for ten thousand handshakes on half of a busy machine.


def measure(rig, options):
    """One row per proxy and listener. Each proxy is started anew, so that no load has left anything behind."""
    options.idle = min(options.idle, machine.connections_max() - 100)
    rows = []
    for kind in (proxies.Blastdoor, proxies.Nginx, proxies.Haproxy):
        for listener in (cases.PLAIN, cases.TLS):
            proxy = kind(os.path.join(rig.directory, 'idle-' + listener), options.cores[0])
            try:
                proxy.start()
                rows.append({'proxy': kind.name, 'listener': listener, 'connections': options.idle,
                             **_measure_one(rig, proxy, listener, options)})
            finally:
                proxy.stop()
            setup.say(f'idle {kind.name} {listener}: {rows[-1]["bytes_per_connection"]} B per connection')
    return rows


def _measure_one(rig, proxy, listener, options):
    with _opened(rig, proxy, listener, 100, options):  # What the first connections leave behind is not the others'.
        pass
    before = process.memory_mib([proxy.data_pid()])
    with _opened(rig, proxy, listener, options.idle, options):
        time.sleep(1)
        after = process.memory_mib([proxy.data_pid()])
    return {'before_mib': before, 'after_mib': after,
            'bytes_per_connection': round((after - before) * 1048576 / options.idle)}


class _opened:
    """That many connections, each after one right answer; at the end each has to answer once more."""

    def __init__(self, rig, proxy, listener, count, options):
        self._command = [options.programs['load'], 'idle', f'127.0.0.1:{proxy.port_of(listener)}', proxies.HOST,
                         str(count), listener]
        self._core = rig.load_core

    def __enter__(self):
        self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                       preexec_fn=lambda: os.sched_setaffinity(0, {self._core}))
        if self._child.stdout.readline() != 'ready\n':
            raise RuntimeError('idle connections could not be opened')

    def __exit__(self, kind, *_):
        out, _ = self._child.communicate(timeout=PATIENCE)
        if kind is None and out != 'alive\n':
            raise RuntimeError('an idle connection did not live on')


def markdown(rows):
    if not rows:
        return ''
    table = report.table(['proxy', 'listener', 'connections', 'MiB before', 'MiB with them', 'bytes per connection'],
                         [[r['proxy'], r['listener'], f"{r['connections']:,}", f"{r['before_mib']:.1f}",
                           f"{r['after_mib']:.1f}", f"{r['bytes_per_connection']:,}"] for r in rows])
    return '\n**Idle connections** (memory of the process that holds them, in user space)\n\n' + table + '\n'
