#!/usr/bin/env python3
"""Checks the includes of src/ against tools/layers.toml. Prints every breach; exit 1 if there is one."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RULES = {"rooms": {}, "third_party": {}}


def read_rules():
    section = None
    for line in (ROOT / "tools/layers.toml").read_text().splitlines():
        if match := re.match(r"\[(\w+)\]", line):
            section = match[1]
        elif match := re.match(r'"?([^"=\s]+)"?\s*=\s*\[(.*)\]', line):
            RULES[section][match[1]] = re.findall(r'"([^"]+)"', match[2])


def closure(room, seen=None):
    seen = set() if seen is None else seen
    for other in RULES["rooms"][room]:
        if other not in seen:
            seen.add(other)
            closure(other, seen)
    return seen


def breaches():
    allowed = {room: closure(room) | {room, "base"} for room in RULES["rooms"]}
    for path in sorted((ROOT / "src").glob("*/*.*")):
        room = path.parent.name
        if room not in allowed:
            yield f"{path}: the room {room} is not in tools/layers.toml"
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            where = f"{path.relative_to(ROOT)}:{number}"
            if match := re.match(r'#include "(\w+)/', line):
                if match[1] not in allowed[room]:
                    yield f"{where}: {room} must not include {match[1]}/"
            if match := re.match(r"#include <([^>]+)>", line):
                for prefix, rooms in RULES["third_party"].items():
                    if match[1].startswith(prefix) and room not in rooms:
                        yield f"{where}: only {', '.join(rooms)} may include <{match[1]}>"


read_rules()
found = list(breaches())
print("\n".join(found) or f"layers hold: {len(RULES['rooms'])} rooms")
sys.exit(1 if found else 0)
