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
from rig.client import client_of

# Of HTTP/2 few: each has 32 streams, and all of them have to find a pooled connection to the upstream.
CONNECTIONS = {cases.WRK: (1, 64), cases.H2LOAD: (1, 2)}
CALLGRIND_CONNECTIONS = {cases.WRK: 8, cases.H2LOAD: 1}
COUNTED = ('get-128', 'get-10k', 'post-10k', 'close', 'tls-128', 'h2-128')
CASES = tuple(case for case in cases.CASES if case.name in COUNTED)


def count_instructions(rig, kind, case, options):
    """{function: instructions per request}, and how many allocations and copies that is."""
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
            with client_of(rig.directory, proxy, case, CALLGRIND_CONNECTIONS[case.tool]) as client:
                sent = client.send(number)
        finally:
            proxy.stop()
        counts.append((sent, instrumented.instructions(out)))
    (sent_few, (first, first_calls)), (sent_many, (second, second_calls)) = counts
    apart = sent_many - sent_few
    calls = {what: (instrumented.counted(second_calls, words) - instrumented.counted(first_calls, words)) / apart
             for what, words in (('allocations', instrumented.ALLOCATORS), ('copies', instrumented.COPIERS))}
    costs = {name: (cost - first.get(name, 0)) / apart for name, cost in second.items()}
    return {name: cost for name, cost in costs.items() if abs(cost) >= 0.5}, calls


def count_syscalls(rig, proxy, case, connections, options):
    """{system call: calls per request}."""
    with client_of(rig.directory, proxy, case, connections) as client:
        client.send(4 * connections)  # The pools are filled.
        log = os.path.join(rig.directory, 'strace')
        number = 200 if options.quick else 2000
        few = ({}, 0)
        if case.tool == cases.H2LOAD:  # The difference: what it takes to open connections is in both.
            few = instrumented.syscalls(proxy.data_pid(), lambda: client.send(number), log)
            number *= 2
        many = instrumented.syscalls(proxy.data_pid(), lambda: client.send(number), log)
    return {name: (count - few[0].get(name, 0)) / (many[1] - few[1]) for name, count in many[0].items()}


def all_syscalls(rig, options):
    found = {}
    for kind in (proxies.Blastdoor, proxies.Nginx, proxies.Haproxy):
        proxy = kind(rig.directory, options.cores[0])
        try:
            proxy.start()
            for case in CASES:
                for connections in CONNECTIONS[case.tool]:
                    calls = count_syscalls(rig, proxy, case, connections, options)
                    found.setdefault(case.name, {})[f'{kind.name} x{connections}'] = calls
                    setup.say(f'syscalls {kind.name} {case.name} x{connections}: {sum(calls.values()):.2f}')
        finally:
            proxy.stop()
    return found


def all_instructions(rig, options):
    found, calls = {}, {}
    for kind in (instrumented.BareDoor, instrumented.BareNginx, proxies.Haproxy):
        for case in CASES:
            costs, calls.setdefault(case.name, {})[kind.name] = count_instructions(rig, kind, case, options)
            found.setdefault(case.name, {})[kind.name] = costs
            setup.say(f'instructions {kind.name} {case.name}: {sum(costs.values()):,.0f}')
    return found, calls


def most(counts):
    shown = sorted(((count, name) for name, count in counts.items() if count >= 0.05), reverse=True)
    return ', '.join(f'{name} {count:.2f}' for count, name in shown)


def short(name):
    """A function's name without its arguments."""
    name = name.replace('(anonymous namespace)::', '').replace('operator()', 'operator').split('(')[0]
    return name if len(name) <= 90 else name[:87] + '...'


def markdown(facts, calls, costs, memory, top):
    names = {case.name: case.about for case in CASES}
    parts = [report.facts_markdown(facts), '']
    if costs:
        kinds = list(next(iter(costs.values())))
        rows = [[names[case]] + [f'{sum(by_kind[kind].values()):,.0f}' for kind in kinds]
                for case, by_kind in costs.items()]
        parts += ['**Instructions in user space per request**\n', report.table(['case'] + kinds, rows), '']
        rows = [[names[case]] + [f"{by_kind[kind]['allocations']:.2f}, {by_kind[kind]['copies']:.1f}" for kind in kinds]
                for case, by_kind in memory.items()]
        parts += ['**Allocations, and calls of memcpy and memmove, per request**\n',
                  report.table(['case'] + kinds, rows), '']
    if calls:
        rows = [[names[case], kind, f'{sum(counts.values()):.2f}', most(counts)]
                for case, by_kind in calls.items() for kind, counts in by_kind.items()]
        parts += ['**System calls per request** (x1, x64: connections in lockstep; HTTP/2: connections of 32 streams)\n',
                  report.table(['case', 'proxy', 'calls', 'which'], rows), '']
    for case in ('get-128', 'h2-128', 'tls-128') if costs and top else ():
        ours = costs[case]['blastdoor']
        whole = sum(ours.values())
        ranked = sorted(ours.items(), key=lambda item: -item[1])[:top]
        rows = [[f'`{short(name)}`', f'{cost:,.0f}', f'{cost / whole:.1%}'] for name, cost in ranked]
        parts += [f'**Where Blastdoor spends them: {names[case]}**\n',
                  report.table(['function', 'instructions per request', 'share'], rows), '']
    return '\n'.join(parts)


def main():
    parser = setup.arguments(__doc__)
    parser.add_argument('--only', choices=('syscalls', 'instructions'), help='count only these')
    parser.add_argument('--top', type=int, default=25, help="how many of Blastdoor's functions to name (default: 25)")
    options = parser.parse_args()
    setup.prepare(options, ['nginx', 'haproxy', 'strace', 'strip', 'valgrind', 'h2load', 'openssl'])
    facts = machine.facts(setup.REPOSITORY)
    facts['versions'] = ', '.join(kind.version() for kind in (proxies.Blastdoor, proxies.Nginx, proxies.Haproxy))
    del facts['load_before']  # It does not matter here.
    with setup.rig(options) as rig:
        calls = {} if options.only == 'instructions' else all_syscalls(rig, options)
        costs, memory = ({}, {}) if options.only == 'syscalls' else all_instructions(rig, options)
    setup.publish(options, 'counts', markdown(facts, calls, costs, memory, options.top),
                  {'facts': facts, 'syscalls': calls, 'instructions': costs, 'calls': memory})


if __name__ == '__main__':
    sys.exit(main())
