#!/usr/bin/env python3
"""Compares Blastdoor with Debian's nginx and haproxy: CPU per request, requests/s, latency, memory.

All proxies run at once, pinned to one core; wrk and a cheap upstream have another. In each round every case
is measured with one proxy right after the other, so that what disturbs the machine disturbs them alike. CPU is
that of the proxy's whole process tree. Windows in which strangers or the hypervisor took part of our cores are
set aside, and a cell with any error is refused. README.md says how far to trust it.

  bench/run.py                    the table
  bench/run.py --write            and puts it into bench/README.md: on a quiet machine
  bench/run.py --rounds 8         for small differences
"""

import dataclasses
import sys

from rig import load, machine, proxies, report, setup


def options_of(argv):
    parser = setup.arguments(__doc__)
    parser.add_argument('--rounds', type=int, default=3, help='interleaved rounds (default: 3)')
    parser.add_argument('--windows', type=int, default=4, help='half-second windows per run (default: 4)')
    parser.add_argument('--cases', help='only these, comma-separated: ' + ', '.join(c.name for c in load.CASES))
    parser.add_argument('--proxies', help='only these, comma-separated: ' + ', '.join(p.name for p in proxies.ALL))
    options = parser.parse_args(argv)
    options.cases = chosen(parser, options.cases, load.CASES)
    options.proxies = chosen(parser, options.proxies, proxies.ALL)
    if options.quick:
        options.rounds, options.windows = 1, 2
    return options


def chosen(parser, names, among):
    if not names:
        return list(among)
    known = {item.name: item for item in among}
    unknown = [name for name in names.split(',') if name not in known]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join(known)}")
    return [known[name] for name in names.split(',')]


def measure(rig, started, options):
    runs = []
    for round_ in range(options.rounds):
        for case in options.cases:
            taking_part = [p for p in started if p.only is None or case.name in p.only]
            # Nobody always comes first after a pause, or last.
            shift = round_ % len(taking_part)
            for proxy in taking_part[shift:] + taking_part[:shift]:
                run = rig.run(proxy, case, warm_up=0.5 if options.quick else 1.0, windows=options.windows)
                runs.append(run)
                setup.say(f'round {round_ + 1}/{options.rounds} {case.name:9} {proxy.name:15} {summary(run)}')
    return runs


def summary(run):
    if run.problem:
        return 'REFUSED: ' + run.problem
    costs = ' '.join(f'{w.cpu_us():.1f}{"" if report.is_quiet(w) else "~"}' for w in run.windows)
    return f"{costs} µs, p99 {run.result['p99_us'] / 1000:.1f} ms"


def main():
    options = options_of(sys.argv[1:])
    setup.prepare(options, ['wrk', 'nginx', 'haproxy'])
    facts = machine.facts(setup.REPOSITORY)
    facts['versions'] = ', '.join([*dict.fromkeys(p.version() for p in options.proxies),
                                   machine.first_line(['wrk', '-v']).split(' Copyright')[0]])
    with setup.rig(options) as rig:
        started = [proxy(rig.directory, options.cores[0]) for proxy in options.proxies]
        try:
            for proxy in started:
                proxy.start()
            runs = measure(rig, started, options)
        finally:
            for proxy in started:
                proxy.stop()
    figures = report.cells(runs)
    names = {case.name: case.about for case in load.CASES}
    setup.publish(options, 'comparison', report.comparison_markdown(facts, figures, names),
                  {'facts': facts, 'cells': figures, 'runs': [dataclasses.asdict(run) for run in runs]})
    if any('refused' in c for by_proxy in figures.values() for c in by_proxy.values()):
        sys.exit('bench: some cells were refused')


if __name__ == '__main__':
    main()
