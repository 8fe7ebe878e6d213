#!/usr/bin/env python3
"""Counts what a busy machine cannot disturb: instructions and system calls per request.

Instructions are those of user space, by callgrind: the difference between two runs of different length, so that
start-up and the first requests are not in it. System calls are counted by strace. The requests are sent in
lockstep on as many connections as the column says, so that every run is the same. Memory copies by the kernel,
the network stack and cache misses are not seen here: run.py measures those.

  bench/stable.py                 both, for all proxies
  bench/stable.py --top 40        and the 40 functions of Blastdoor that cost most
"""

import os
import sys

from rig import cases, instrumented, machine, proxies, report, setup
from rig.client import Client

CONNECTIONS = (1, 64)
COUNTED = ('get-128', 'get-10k', 'post-10k', 'close', 'tls-128', 'h2-128')
CASES = tuple(case for case in cases.CASES if case.name in COUNTED)


def count_instructions(rig, kind, case, options):
    """{function: instructions per request}."""
    few, many = (100, 300) if options.quick else (500, 2500)
    counts = []
    for number in (few, many):
        directory = os.path.join(rig.directory, f'{kind.name}-{case.name}-{number}')
        os.makedirs(directory)
        os.chmod(directory, 0o777)
        out = os.path.join(directory, 'callgrind.out')
        proxy = kind(directory, options.cores[0], instrumented.callgrind(out))
        try:
            proxy.start(patience=120)
            os.chmod(out, 0o666)  # Root made it, and a door writes it as nobody.
            with Client(proxy.port, case, 8) as client:
                sent = client.send(number)
        finally:
            proxy.stop()
        counts.append((sent, instrumented.instructions(out)))
    (sent_few, first), (sent_many, second) = counts
    return {name: (cost - first.get(name, 0)) / (sent_many - sent_few) for name, cost in second.items()}


def count_syscalls(rig, proxy, case, connections, options):
    """{system call: calls per request}."""
    with Client(proxy.port, case, connections) as client:
        client.send(4 * connections)  # The pools are filled.
        log = os.path.join(rig.directory, 'strace')
        number = 200 if options.quick else 2000
        calls, sent = instrumented.syscalls(proxy.data_pid(), lambda: client.send(number), log)
    return {name: count / sent for name, count in calls.items()}


def all_syscalls(rig, options):
    found = {}
    for kind in (proxies.Blastdoor, proxies.Nginx, proxies.Haproxy):
        proxy = kind(rig.directory, options.cores[0])
        try:
            proxy.start()
            for case in CASES:
                for connections in CONNECTIONS:
                    calls = count_syscalls(rig, proxy, case, connections, options)
                    found.setdefault(case.name, {})[f'{kind.name} x{connections}'] = calls
                    setup.say(f'syscalls {kind.name} {case.name} x{connections}: {sum(calls.values()):.2f}')
        finally:
            proxy.stop()
    return found


def all_instructions(rig, options):
    found = {}
    for kind in (instrumented.BareDoor, instrumented.BareNginx, proxies.Haproxy):
        for case in CASES:
            costs = count_instructions(rig, kind, case, options)
            found.setdefault(case.name, {})[kind.name] = costs
            setup.say(f'instructions {kind.name} {case.name}: {sum(costs.values()):,.0f}')
    return found


def most(counts):
    shown = sorted(((count, name) for name, count in counts.items() if count >= 0.05), reverse=True)
    return ', '.join(f'{name} {count:.2f}' for count, name in shown)


def short(name):
    """A function's name without its arguments."""
    name = name.replace('(anonymous namespace)::', '').replace('operator()', 'operator').split('(')[0]
    return name if len(name) <= 90 else name[:87] + '...'


def markdown(facts, calls, costs, top):
    names = {case.name: case.about for case in CASES}
    parts = [report.facts_markdown(facts), '']
    if costs:
        kinds = list(next(iter(costs.values())))
        rows = [[names[case]] + [f'{sum(by_kind[kind].values()):,.0f}' for kind in kinds]
                for case, by_kind in costs.items()]
        parts += ['**Instructions in user space per request**\n', report.table(['case'] + kinds, rows), '']
    if calls:
        rows = [[names[case], kind, f'{sum(counts.values()):.2f}', most(counts)]
                for case, by_kind in calls.items() for kind, counts in by_kind.items()]
        parts += ['**System calls per request** (x1, x64: connections in lockstep)\n',
                  report.table(['case', 'proxy', 'calls', 'which'], rows), '']
    if costs and top:
        ours = costs[CASES[0].name]['blastdoor']
        whole = sum(ours.values())
        ranked = sorted(ours.items(), key=lambda item: -item[1])[:top]
        rows = [[f'`{short(name)}`', f'{cost:,.0f}', f'{cost / whole:.1%}'] for name, cost in ranked]
        parts += [f'**Where Blastdoor spends them: {names[CASES[0].name]}**\n',
                  report.table(['function', 'instructions per request', 'share'], rows), '']
    return '\n'.join(parts)


def main():
    parser = setup.arguments(__doc__)
    parser.add_argument('--only', choices=('syscalls', 'instructions'), help='count only these')
    parser.add_argument('--top', type=int, default=25, help="how many of Blastdoor's functions to name (default: 25)")
    options = parser.parse_args()
    setup.prepare(options, ['nginx', 'haproxy', 'strace', 'strip', 'valgrind'])
    facts = machine.facts(setup.REPOSITORY)
    facts['versions'] = ', '.join(kind.version() for kind in (proxies.Blastdoor, proxies.Nginx, proxies.Haproxy))
    del facts['load_before']  # It does not matter here.
    with setup.rig(options) as rig:
        calls = {} if options.only == 'instructions' else all_syscalls(rig, options)
        costs = {} if options.only == 'syscalls' else all_instructions(rig, options)
    setup.publish(options, 'counts', markdown(facts, calls, costs, options.top),
                  {'facts': facts, 'syscalls': calls, 'instructions': costs})


if __name__ == '__main__':
    sys.exit(main())
