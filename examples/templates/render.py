#!/usr/bin/env python3
"""Renders a template with values: render.py [app.yaml.j2 [values.json]], to stdout. Needs Debian's python3-jinja2."""
import json
import pathlib
import sys

import jinja2

HERE = pathlib.Path(__file__).resolve().parent


def render(template, values):
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(template.read_text()).render(json.loads(values.read_text()))


if __name__ == "__main__":
    defaults = ("app.yaml.j2", "values.json")
    paths = [*map(pathlib.Path, sys.argv[1:]), *(HERE / name for name in defaults[len(sys.argv) - 1 :])]
    sys.stdout.write(render(*paths))
