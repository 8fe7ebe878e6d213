#!/usr/bin/env python3
"""Compares Blastdoor with Debian's nginx and haproxy: CPU per request, requests/s, latency, memory.

All proxies run at once, pinned to one core; wrk and a cheap upstream have another. In each round every case
is measured with one proxy right after the other, so that what disturbs the machine disturbs them alike. CPU is
that of the proxy's whole process tree. Windows in which strangers or the hypervisor took part of our cores are
set aside, and a cell with any error is refused. README.md says how far to trust it.

  bench/run.py                    the table
  bench/run.py --all              all cases, and what idle connections take
  bench/run.py --all --write      and puts it into bench/README.md and bench/results/: on a quiet machine
  bench/run.py --rounds 8         for small differences
"""

import dataclasses
import sys

from rig import cases, idle, machine, plot, proxies, report, setup


def options_of(argv):
    parser = setup.arguments(__doc__)
    parser.add_argument('--rounds', type=int, default=3, help='interleaved rounds (default: 3)')
    parser.add_argument('--windows', type=int, default=4, help='half-second windows per run (default: 4)')
    parser.add_argument('--cases', help='only these, comma-separated: ' + ', '.join(c.name for c in cases.CASES))
    parser.add_argument('--all', action='store_true', help='all cases, and the memory of idle connections')
    parser.add_argument('--idle', type=int, default=10000, help='how many idle connections (default: 10000)')
    parser.add_argument('--proxies', help='only these, comma-separated: ' + ', '.join(p.name for p in proxies.ALL))
    options = parser.parse_args(argv)
    among = [case for case in cases.CASES if case.basic or options.all or options.cases]
    options.cases = chosen(parser, options.cases, cases.CASES) if options.cases else among
    options.proxies = chosen(parser, options.proxies, proxies.ALL)
    if options.quick:
        options.rounds, options.windows, options.idle = 1, 2, 500
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
                setup.say(f'round {round_ + 1}/{options.rounds} {case.name:13} {proxy.name:15} {summary(run)}')
    return runs


def summary(run):
    if run.problem:
        return 'REFUSED: ' + run.problem
    costs = ' '.join(f'{w.cpu_us():.1f}{"" if report.is_quiet(w) else "~"}' for w in run.windows)
    return f"{costs} µs, {sum(w.requests / w.seconds for w in run.windows) / len(run.windows):,.0f}/s"


def main():
    options = options_of(sys.argv[1:])
    setup.prepare(options, ['wrk', 'h2load', 'nginx', 'haproxy', 'openssl'])
    facts = machine.facts(setup.REPOSITORY)
    facts['versions'] = ', '.join([*dict.fromkeys(p.version() for p in options.proxies),
                                   machine.first_line(['wrk', '-v']).split(' Copyright')[0],
                                   machine.first_line(['h2load', '--version']),
                                   'libssl3 ' + machine.first_line(['dpkg-query', '-W', '-f', '${Version}', 'libssl3'])])
    with setup.rig(options) as rig:
        started = [proxy(rig.directory, options.cores[0]) for proxy in options.proxies]
        try:
            for proxy in started:
                proxy.start()
            runs = measure(rig, started, options)
        finally:
            for proxy in started:
                proxy.stop()
        memory = idle.measure(rig, options) if options.all else []
    figures = report.cells(runs)
    names = {case.name: case.about for case in cases.CASES}
    setup.publish(options, 'comparison', report.comparison_markdown(facts, figures, names) + idle.markdown(memory),
                  {'facts': facts, 'cells': figures, 'idle': memory, 'runs': [dataclasses.asdict(run) for run in runs]},
                  {'.svg': plot.svg(facts, figures, names)})
    if any('refused' in c for by_proxy in figures.values() for c in by_proxy.values()):
        sys.exit('bench: some cells were refused')


if __name__ == '__main__':
    main()
