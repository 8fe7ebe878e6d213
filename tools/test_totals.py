#!/usr/bin/env python3
"""Adds up test results and prints one line, `N passed, M failed, K skipped`; exit 1 if anything failed or nothing ran.

    tools/test_totals.py RESULTS…   directories that tools/unit_tests.sh wrote, logs of `go test -v`, logs of demo.sh

A GoogleTest program counts by its cases, any other test of ctest as one. A program that failed although all its cases
passed (a crash, a leak) is one failure more.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree


def cases_of(program, directory):
    """(passed, failed, skipped) of the cases of a GoogleTest program; None if it wrote no results."""
    file = directory / "gtest" / f"{program}.xml"
    if not file.exists():
        return None
    try:
        cases = list(xml.etree.ElementTree.parse(file).getroot().iter("testcase"))
    except xml.etree.ElementTree.ParseError:
        return None
    failed = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None or case.get("status") == "notrun" for case in cases)
    return len(cases) - failed - skipped, failed, skipped


def of_ctest(directory):
    totals = [0, 0, 0]
    for test in xml.etree.ElementTree.parse(directory / "ctest.xml").getroot().iter("testcase"):
        name, status = test.get("name"), test.get("status")
        cases = cases_of(f"{name}_test", directory) or cases_of(name, directory)
        if cases is None:
            cases = (int(status == "run"), 0, int(status in ("notrun", "disabled")))
        if status == "fail" and cases[1] == 0:
            cases = (cases[0], 1, cases[2])
        totals = [a + b for a, b in zip(totals, cases)]
    return totals


def of_log(log):
    """`go test -v` marks each test, and a package that failed by itself with a line `FAIL\tpackage`."""
    text = log.read_text(errors="replace")
    passed, failed, skipped = (len(re.findall(rf"^\s*--- {word}: ", text, re.M)) for word in ("PASS", "FAIL", "SKIP"))
    failed = max(failed, len(re.findall(r"^FAIL\t", text, re.M)))
    for a, b in re.findall(r"^demo: (\d+) passed, (\d+) failed$", text, re.M):
        passed, failed = passed + int(a), failed + int(b)
    return [passed, failed, skipped]


def main(arguments):
    totals = [0, 0, 0]
    for path in map(pathlib.Path, arguments):
        if path.is_dir():
            found = of_ctest(path)
        else:  # What left no results did not even start.
            found = of_log(path) if path.exists() else [0, 1, 0]
        totals = [a + b for a, b in zip(totals, found)]
    passed, failed, skipped = totals
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
