#!/usr/bin/env python3
"""Writes docs/reference/limits.md from src/model/limits.h. With --check: exit 1 if the page differs.

A limit is one line: `type name = value;  // Reason.` A line that looks like one and can't be read is an error, so
that no limit is left out in silence.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADER = ROOT / "src/model/limits.h"
PAGE = ROOT / "docs/reference/limits.md"

INTRODUCTION = """# Limits

<!-- Generated from src/model/limits.h by tools/limits_reference.py. -->

Every bound that Blastdoor obeys, with its reason. A limit that is not here does not exist; hitting one is counted.
"""
SECTIONS = {
    "Limits": ("limits", "Of a listener", "Keys of `limits` of a listener."),
    "Timeouts": ("timeouts", "Times of a listener", "Keys of `timeouts` of a listener."),
    None: ("", "Fixed", "Not configurable: the same for the whole process."),
}
LIMIT = re.compile(r"(?:inline constexpr )?(?:std::\w+|milliseconds) (\w+) = ([\d']+)(_?[A-Za-z]*);(?:\s*// (.+))?$")
UNITS = {"": "count", "_B": "bytes", "_KiB": "KiB", "_MiB": "MiB", "s": "seconds", "ms": "milliseconds"}


def camel_case(name):
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def read_limits():
    """Yields (struct or None, name, value, unit, reason) of every limit; raises ValueError at a line it can't read."""
    struct = None
    for number, line in enumerate(HEADER.read_text().splitlines(), 1):
        if match := re.match(r"struct (\w+) \{", line):
            struct = match[1]
        elif line == "};":
            struct = None
        elif "operator" not in line and (struct and line.strip() or line.startswith("inline constexpr")):
            match = LIMIT.match(line.strip())
            if not match or not match[4]:
                raise ValueError(f"{HEADER.relative_to(ROOT)}:{number}: expected `type name = value;  // Reason.`")
            if match[3] not in UNITS:
                raise ValueError(f"{HEADER.relative_to(ROOT)}:{number}: the unit {match[3]} has no word here")
            yield struct, match[1], f"{int(match[2].replace(chr(39), '')):,}", UNITS[match[3]], match[4]


def page():
    limits = list(read_limits())
    out = [INTRODUCTION]
    for struct, (key, title, text) in SECTIONS.items():
        out.append(f"## {title}\n\n{text}\n\n| name | {'default' if key else 'value'} | unit | reason |\n|---|---:|---|---|")
        for owner, name, value, unit, reason in limits:
            if owner == struct:
                shown = f"{key}.{camel_case(name)}" if key else name
                out.append(f"| `{shown}` | {value} | {unit} | {reason.replace('|', chr(92) + '|')} |")
        out.append("")
    return "\n".join(out)


def main():
    try:
        want = page()
    except ValueError as mistake:
        print(mistake)
        return 1
    if "--check" not in sys.argv[1:]:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(want)
        return 0
    if PAGE.exists() and PAGE.read_text() == want:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is not what src/model/limits.h says: run python3 tools/limits_reference.py")
    return 1


sys.exit(main())
