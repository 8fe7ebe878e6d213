#!/usr/bin/env python3
"""Shows that cost stays flat as routes, generations and idle connections grow.

  routes        10 to 10,000 hosts with three paths each, every request to a random one of them
  generations   the table after 0 to 300 changes, each in effect before the next, with 1,000 hosts
  idle          up to 5,000 idle keep-alive connections beside the 64 busy ones
"""

import os
import time

from rig import cases, machine, process, proxies, report, setup
from rig.client import Client

CASE = cases.CASES[0]
PEERS = (proxies.Blastdoor, proxies.Nginx, proxies.Haproxy)


def measured(rig, proxy, options, routes=0):
    """What a request costs right now, and the memory."""
    rounds = 1 if options.quick else options.rounds
    runs = [rig.run(proxy, CASE, warm_up=0.5, windows=2 if options.quick else 4, routes=routes)
            for _ in range(rounds)]
    return report.cell(runs)


def memory(proxy):
    return {'all_mib': process.memory_mib(proxy.pids()), 'data_mib': process.memory_mib([proxy.data_pid()])}


def routes_curve(rig, options):
    points = []
    for count in (10, 100) if options.quick else (10, 100, 1000, 10000):
        for kind in PEERS:
            proxy = kind(os.path.join(rig.directory, f'routes-{count}'), options.cores[0])
            try:
                started = proxy.start(routes=count, patience=180)
                change = change_seconds(proxy, count) if kind is proxies.Blastdoor else None
                point = dict(hosts=count, proxy=kind.name, start_s=started, change_s=change, **memory(proxy))
                point['cell'] = measured(rig, proxy, options, routes=count)
            finally:
                proxy.stop()
            points.append(point)
            setup.say(f'routes {count} {kind.name}: start {started:.2f} s, {point["all_mib"]:.1f} MiB')
    return points


def change_seconds(proxy, number):
    """How long until one more Ingress is served, from the rename that brings its file."""
    host = proxies.host_name(number)
    time.sleep(1)  # Quiet, so that the change is the first one.
    proxy.write_manifest(f'one-more-{number}.json', [proxy.ingress(host, proxies.PATHS)])
    return process.wait_until(lambda: proxy.serves(host), 60, 'a change')


def generations_curve(rig, options):
    hosts, stops = (50, (0, 5)) if options.quick else (1000, (0, 10, 100, 300))
    proxy = proxies.Blastdoor(os.path.join(rig.directory, 'generations'), options.cores[0])
    points = []
    try:
        proxy.start(routes=hosts)
        measured(rig, proxy, options, routes=hosts)  # So that what the first load leaves behind is in every point.
        done = 0
        for stop in stops:
            while done < stop:
                done += 1
                # One host comes and goes, and another one comes.
                host = proxies.host_name(hosts + done)
                proxy.write_manifest('changing.json', [proxy.ingress(host, proxies.PATHS)])
                process.wait_until(lambda: proxy.serves(host), 10, 'a change')
            point = dict(generations=stop, **memory(proxy))
            point['controller_mib'] = process.memory_mib([proxy.role('controller')])
            point['cell'] = measured(rig, proxy, options, routes=hosts)
            points.append(point)
            setup.say(f'generations {stop}: {point["all_mib"]:.1f} MiB')
    finally:
        proxy.stop()
    return points


def idle_curve(rig, options):
    points = []
    for kind in PEERS:
        proxy = kind(os.path.join(rig.directory, 'idle'), options.cores[0])
        try:
            proxy.start()
            measured(rig, proxy, options)  # So that what one load leaves behind is not counted as idle.
            base = None
            for count in (0, 200) if options.quick else (0, 1000, 5000):
                point = dict(idle=count, proxy=kind.name, **idle_point(rig, proxy, count, options))
                base = base or point
                grown = point['data_mib'] - base['data_mib']
                point['per_connection_b'] = grown * 1048576 / count if count else None
                points.append(point)
                setup.say(f'idle {count} {kind.name}: {point["data_mib"]:.1f} MiB')
        finally:
            proxy.stop()
    return points


def idle_point(rig, proxy, count, options):
    with Client(proxy.port, CASE, count) as idle:
        idle.send_on_each()
        time.sleep(1)
        out = memory(proxy)
        before, begin = process.cpu_seconds(proxy.pids()), time.monotonic()
        time.sleep(1)
        out['idle_cores'] = (process.cpu_seconds(proxy.pids()) - before) / (time.monotonic() - begin)
        out['cell'] = measured(rig, proxy, options)
    return out


def cost(cell):
    if 'refused' in cell:
        return 'refused: ' + cell['refused']
    return f"{cell['median_us']:.1f} ({cell['p25_us']:.1f}){' ~' if cell['disturbed'] else ''}"


def markdown(facts, curves):
    parts = [report.facts_markdown(facts), '']
    cpu = 'CPU µs per request: median (best quartile)'
    if 'routes' in curves:
        rows = [[f"{p['hosts']:,}", p['proxy'], cost(p['cell']), f"{p['all_mib']:.1f} ({p['data_mib']:.1f})",
                 f"{p['start_s']:.2f}", f"{p['change_s'] * 1000:.0f}" if p['change_s'] is not None else '-']
                for p in curves['routes']]
        parts += ['**Routes** (hosts with three paths each)\n',
                  report.table(['hosts', 'proxy', cpu, 'memory MiB: all (data)', 'start s', 'one more host, ms'], rows),
                  '']
    if 'generations' in curves:
        rows = [[f"{p['generations']:,}", cost(p['cell']), f"{p['data_mib']:.1f}", f"{p['controller_mib']:.1f}"]
                for p in curves['generations']]
        parts += ['**Generations** (Blastdoor)\n',
                  report.table(['changes', cpu, 'door MiB', 'controller MiB'], rows), '']
    if 'idle' in curves:
        rows = [[f"{p['idle']:,}", p['proxy'], cost(p['cell']), f"{p['data_mib']:.1f}",
                 f"{p['per_connection_b']:,.0f}" if p['per_connection_b'] is not None else '-',
                 f"{p['idle_cores']:.4f}"] for p in curves['idle']]
        parts += ['**Idle connections**\n', report.table(
            ['idle', 'proxy', cpu, 'data process MiB', 'bytes per connection', 'cores without load'], rows), '']
    return '\n'.join(parts)


CURVES = {'routes': routes_curve, 'generations': generations_curve, 'idle': idle_curve}


def main():
    parser = setup.arguments(__doc__)
    parser.add_argument('--rounds', type=int, default=2, help='runs of wrk per point (default: 2)')
    parser.add_argument('--curves', default=','.join(CURVES), help='only these, comma-separated (default: all)')
    options = parser.parse_args()
    names = options.curves.split(',')
    if unknown := [name for name in names if name not in CURVES]:
        parser.error(f"unknown: {', '.join(unknown)}; there are: {', '.join(CURVES)}")
    setup.prepare(options, ['wrk', 'nginx', 'haproxy'])
    facts = machine.facts(setup.REPOSITORY)
    with setup.rig(options) as rig:
        curves = {name: CURVES[name](rig, options) for name in names}
    setup.publish(options, 'curves', markdown(facts, curves), {'facts': facts, 'curves': curves})


if __name__ == '__main__':
    main()
