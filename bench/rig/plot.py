"""The comparison as a picture: CPU per request of each proxy, as a part of the dearest one's of that case."""

from html import escape

COLOURS = {'blastdoor': '#c0392b', 'nginx': '#2e8b57', 'haproxy': '#3b6ea5', 'haproxy-splice': '#8fb0d3',
           'relay': '#999999'}
LEFT, WIDTH, BAR, GAP, TOP = 300, 420, 15, 12, 64


def svg(facts, figures, names):
    """Bars are medians; the thin line at the end reaches from the best quartile to the median."""
    parts, y = [], TOP
    for case, by_proxy in figures.items():
        known = {proxy: cell for proxy, cell in by_proxy.items() if 'refused' not in cell}
        most = max((cell['median_us'] for cell in known.values()), default=1)
        middle = y + BAR * len(by_proxy) / 2 + 4
        parts.append(_text(LEFT - 10, middle, names[case], 'end'))
        for proxy, cell in by_proxy.items():
            if proxy not in known:
                parts.append(_text(LEFT + 4, y + BAR - 3, f'{proxy}: refused'))
            else:
                parts += _bar(y, proxy, cell, most)
            y += BAR
        y += GAP
    head = [_text(12, 24, 'CPU per proxied request, user and system, all processes of the proxy', size=15),
            _text(12, 44, f"{facts['date']}, {facts['machine']}, commit {facts['commit']}; "
                          f"load before: {facts['load_before']}. ~: a disturbed machine. Shorter is better.")]
    width = LEFT + WIDTH + 230
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" '
            'font-family="sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n' +
            '\n'.join(head + parts) + '\n</svg>\n')


def _bar(y, proxy, cell, most):
    end, best = (LEFT + WIDTH * cell[key] / most for key in ('median_us', 'p25_us'))
    middle = y + BAR / 2 - 1
    label = f"{proxy} {cell['median_us']:,.1f} µs{' ~' if cell['disturbed'] else ''}"
    return [f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR - 2}" fill="{COLOURS[proxy]}"/>',
            f'<line x1="{best:.1f}" y1="{middle}" x2="{end:.1f}" y2="{middle}" stroke="black"/>',
            _text(end + 6, y + BAR - 4, label)]


def _text(x, y, text, anchor='start', size=11):
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
