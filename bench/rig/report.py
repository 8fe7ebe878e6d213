"""From runs to figures, and from figures to the Markdown that README.md holds between two markers."""

import statistics

FOREIGN_MAX = 0.12  # Cores. Above it, what strangers evict from the caches shows.
STEAL_MAX = 0.06    # Of all our cores.
WINDOWS_MIN = 3     # With fewer quiet windows the less disturbed half stands in, and the cell says so.


def is_quiet(window, cores=2):
    return window.foreign <= FOREIGN_MAX and window.steal <= STEAL_MAX * cores


def best_quartile(values):
    """The value that a quarter of the windows stays under."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 4]


def latency(runs, key):
    """In milliseconds; None if the tool did not say."""
    told = [run.result[key] for run in runs if run.result[key] is not None]
    return statistics.median(told) / 1000 if told else None


def cell(runs):
    """The figures of one proxy in one case, or why there are none."""
    problems = sorted({run.problem for run in runs if run.problem})
    if problems:
        return {'refused': '; '.join(problems)}
    windows = [window for run in runs for window in run.windows]
    quiet = [window for window in windows if is_quiet(window)]
    used = quiet
    if len(quiet) < WINDOWS_MIN:
        used = sorted(windows, key=lambda w: w.foreign + w.steal)[:max(WINDOWS_MIN, len(windows) // 2)]
    costs = [window.cpu_us() for window in used]
    return {
        'median_us': statistics.median(costs),
        'p25_us': best_quartile(costs),
        'disturbed': len(quiet) < WINDOWS_MIN,
        'quiet': len(quiet),
        'windows': len(windows),
        'foreign_cores': statistics.median(w.foreign for w in windows),
        'steal_cores': statistics.median(w.steal for w in windows),
        'rps': statistics.median(w.requests / w.seconds for w in used),
        'p50_ms': latency(runs, 'p50_us'),
        'p99_ms': latency(runs, 'p99_us'),
        'memory_mib': max(run.memory_mib for run in runs),
        'data_memory_mib': max(run.data_memory_mib for run in runs),
        'rounds_us': [statistics.median(window.cpu_us() for window in run.windows) for run in runs],
    }


def cells(runs):
    """{case: {proxy: cell}}, both in the order of first appearance."""
    grouped = {}
    for run in runs:
        grouped.setdefault(run.case, {}).setdefault(run.proxy, []).append(run)
    return {case: {proxy: cell(list_) for proxy, list_ in by_proxy.items()} for case, by_proxy in grouped.items()}


def table(header, rows):
    lines = ['| ' + ' | '.join(header) + ' |', '|' + '---|' * len(header)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows])


def ratio(peer, ours):
    """How much more CPU the peer uses: round by round, by medians, by best quartiles."""
    if not peer or not ours or 'refused' in peer or 'refused' in ours:
        return '-'
    rounds = statistics.median(theirs / mine for theirs, mine in zip(peer['rounds_us'], ours['rounds_us']))
    mark = ' ~' if peer['disturbed'] or ours['disturbed'] else ''
    return (f"{rounds:.2f}, {peer['median_us'] / ours['median_us']:.2f}, "
            f"{peer['p25_us'] / ours['p25_us']:.2f}{mark}")


def ratios_markdown(figures, names, ours='blastdoor'):
    peers = []
    for by_proxy in figures.values():
        peers += [proxy for proxy in by_proxy if proxy != ours and proxy not in peers]
    rows = [[names[case]] + [ratio(by_proxy.get(peer), by_proxy.get(ours)) for peer in peers]
            for case, by_proxy in figures.items()]
    return table(['case'] + [f'{peer} / {ours}' for peer in peers], rows)


def optional(number, digits):
    return '-' if number is None else f'{number:.{digits}f}'


def case_markdown(by_proxy):
    header = ['proxy', 'CPU µs per request: median (best quartile)', 'requests/s', 'p50 ms', 'p99 ms',
              'memory MiB: all (data)', 'quiet windows']
    rows = []
    for proxy, c in by_proxy.items():
        if 'refused' in c:
            rows.append([proxy, f"refused: {c['refused']}"] + ['-'] * 5)
            continue
        mark = ' ~' if c['disturbed'] else ''
        rows.append([proxy, f"{c['median_us']:.1f} ({c['p25_us']:.1f}){mark}", f"{c['rps']:,.0f}",
                     optional(c['p50_ms'], 2), optional(c['p99_ms'], 1),
                     f"{c['memory_mib']:.1f} ({c['data_memory_mib']:.1f})",
                     f"{c['quiet']}/{c['windows']}"])
    return table(header, rows)


def facts_markdown(facts):
    return '\n'.join(f'- {key.replace("_", " ")}: {value}' for key, value in facts.items())


def comparison_markdown(facts, figures, names):
    all_cells = [c for by_proxy in figures.values() for c in by_proxy.values() if 'refused' not in c]
    noise = ''
    if all_cells:
        quiet, windows = sum(c['quiet'] for c in all_cells), sum(c['windows'] for c in all_cells)
        foreign = statistics.median(c['foreign_cores'] for c in all_cells)
        steal = statistics.median(c['steal_cores'] for c in all_cells)
        noise = (f'\nNoise: strangers used {foreign:.2f} of our two cores and the hypervisor took {steal:.2f} '
                 f'(medians); {quiet} of {windows} windows were quiet. `~`: fewer than {WINDOWS_MIN} were, so the '
                 f'less disturbed half stands in.\n')
    parts = [facts_markdown(facts), noise, '**CPU of the peer / CPU of Blastdoor** (median over the rounds, each by '
             'itself; of the medians; of the best quartiles. Above 1 Blastdoor is cheaper. A difference under 15 % is '
             'not established, nor one on which the three disagree):\n',
             ratios_markdown(figures, names), '']
    for case, by_proxy in figures.items():
        parts += [f'**{names[case]}**\n', case_markdown(by_proxy), '']
    return '\n'.join(parts).strip() + '\n'


def replace_section(path, name, text):
    """Puts `text` between the two markers `name` of the file. Everything else in it stays."""
    begin, end = f'<!-- {name}: begin -->', f'<!-- {name}: end -->'
    with open(path) as file:
        old = file.read()
    head, found_begin, rest = old.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not found_begin or not found_end:
        raise SystemExit(f'bench: {path} lacks the markers of "{name}"')
    with open(path, 'w') as file:
        file.write(f'{head}{begin}\n{text.strip()}\n{end}{tail}')
