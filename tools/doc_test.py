#!/usr/bin/env python3
"""Runs the examples of the guides: python3 tools/doc_test.py BLASTDOOR [FILE.md ...]

A page's fenced blocks run from top to bottom in a folder of their own:
  ```yaml file=NAME     writes the block to NAME
  ```console            each `$ COMMAND` is run by sh; its output must be what stands below it
Blocks of other languages are text. BLASTDOOR_BLESS=1 writes the real output into the page.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^```(\S*) ?(.*?)\n(.*?)^```$", re.M | re.S)


def run(block, folder, binary):
    """The block as it should be: every command followed by what it really prints."""
    out = []
    for command in re.findall(r"^\$ (.*)$", block, re.M):
        env = {k: v for k, v in os.environ.items() if not k.startswith("BLASTDOOR_")}
        env["PATH"] = f"{binary.parent}:{env['PATH']}"
        done = subprocess.run(["sh", "-c", command], cwd=folder, env=env, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        out.append(f"$ {command}\n{done.stdout}")
    return "".join(out)


def check(page, binary):
    text = page.read_text()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        def visit(match):
            nonlocal wrong
            language, options, body = match.groups()
            if name := re.match(r"file=(\S+)", options):
                path = pathlib.Path(folder, name[1])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(body)
            if language != "console":
                return match[0]
            real = run(body, folder, binary)
            if real != body:
                wrong += 1
                line = text[: match.start()].count("\n") + 2
                print(f"{page.relative_to(ROOT)}:{line}: the example prints something else:\n{real}")
            return f"```console\n{real}```"

        blessed = FENCE.sub(visit, text)
    if os.environ.get("BLASTDOOR_BLESS") == "1" and blessed != text:
        page.write_text(blessed)
    return wrong


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    pages = [pathlib.Path(p).resolve() for p in sys.argv[2:]] or sorted((ROOT / "docs/guide").glob("*.md"))
    wrong = sum(check(page, binary) for page in pages)
    print(f"{len(pages)} pages, {wrong} wrong examples")
    sys.exit(1 if wrong else 0)


main()
