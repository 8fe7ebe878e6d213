#!/usr/bin/env python3
"""Checks the house rules that clang-format, clang-tidy and the compiler do not know. CONTRIBUTING.md lists them.

    tools/tidy.py [FILE…]   prints `file:line: [rule] what` for each breach; exit 1 if there is one

Exceptions stand in tools/tidy.toml, each with its reason; one that nothing needs any more is a breach too.
"""
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINE_MAX = 100
FUNCTION_MAX = 60
TEST_FUNCTION_MAX = 120  # A test may hold its table of cases.
BANNED_IN_HEADERS = ("iostream", "regex", "filesystem", "thread")
BANNED_NAMES = ("util", "utils", "helper", "helpers", "manager", "common", "impl", "misc")
BLOCK_KEYWORDS = ("namespace", "class", "struct", "union", "enum", "extern")


def lines_max(path):
    if is_test(path):
        return 700
    return 300 if path.suffix == ".h" else 500


def is_test(path):
    return re.search(r"_test\.(cc|h|go|py)$|(^|_)test(ing)?\.h$", path.name) is not None


def is_cpp(path):
    return path.suffix in (".cc", ".h")


def blank_out(text):
    """The same text with the insides of comments and of string and character literals as spaces: structure alone."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\\ ]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)

    def spaces(match):
        found = match[0]
        inside = re.sub(r"[^\n]", " ", found[1:-1]) if found[0] in "\"'" else re.sub(r"[^\n]", " ", found)
        return found[0] + inside + found[-1] if found[0] in "\"'" else inside

    return token.sub(spaces, text)


def check_file_length(path, text):
    count = text.count("\n")
    if count > lines_max(path):
        yield 1, "file-length", f"{count} lines; the limit is {lines_max(path)}"


def check_whitespace(path, text):
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "whitespace", "no newline at the end"
    for number, line in enumerate(text.splitlines(), 1):
        if line != line.rstrip():
            yield number, "whitespace", "blanks at the end of the line"


def check_todo(path, text):
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", line):
            yield number, "todo", f"{match[1]}: do it, or file an issue"


def check_names(path, text):
    if path.stem in BANNED_NAMES:
        yield 1, "file-name", f"`{path.stem}` says nothing about what is inside"


def check_line_length(path, text):
    """Lines of raw strings may be longer: they are data, and no formatter breaks them."""
    raw = set()
    for match in re.finditer(r'R"([^()\\ ]*)\(.*?\)\1"', text, re.S):
        first = text.count("\n", 0, match.start()) + 1
        raw.update(range(first, first + match[0].count("\n") + 1))
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LINE_MAX and number not in raw:
            yield number, "line-length", f"{len(line)} columns; the limit is {LINE_MAX}"


def check_includes(path, text):
    if path.suffix != ".h" or is_test(path):
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"#include <([^>]+)>", line)
        if match and match[1] in BANNED_IN_HEADERS:
            yield number, "header-include", f"<{match[1]}> costs every includer compile time; include it in the .cc"


def check_sleeps(path, text):
    if not is_test(path):
        return
    for number, line in enumerate(blank_out(text).splitlines(), 1):
        if re.search(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep|time\.Sleep)\(", line):
            yield number, "sleep", "tests wait for conditions, not for time"


def opens_function(head):
    """Is the `{` after `head`, the code since the last `;`, `{` or `}`, that of a function or a lambda?"""
    head = head.strip()
    if not head or re.search(r"\b(if|for|while|switch|catch)\s*(constexpr\s*)?\($", head[: head.find("(") + 1]):
        return False
    words = re.sub(r"template\s*<[^{]*?>\s|\[\[.*?\]\]|alignas\([^)]*\)", "", head).split()
    if words and words[0] in BLOCK_KEYWORDS or head.endswith(("=", ",", "(", "else", "do", "return")):
        return False
    return re.search(r"\)\s*(const|noexcept|override|final|mutable|&&?|->[^{]*|:[^{]*|\s)*$", head) is not None


def check_function_length(path, text):
    """Counts the lines between the braces. Only the outermost function counts: a lambda is part of its function."""
    code = re.sub(r"^[ \t]*#.*?(?<!\\)$", lambda m: re.sub(r"[^\n]", " ", m[0]), blank_out(text), flags=re.M | re.S)
    most = TEST_FUNCTION_MAX if is_test(path) else FUNCTION_MAX
    stack, head_start, number, inside = [], 0, 1, 0
    for at, char in enumerate(code):
        if char == "\n":
            number += 1
        elif char == "{":
            function = inside == 0 and opens_function(code[head_start:at])
            stack.append((function, number))
            inside += function
        elif char == "}" and stack:
            function, first = stack.pop()
            inside -= function
            if function and number - first - 1 > most:
                yield first, "function-length", f"{number - first - 1} lines; the limit is {most}"
        if char in "{};":
            head_start = at + 1


AWAIT_ALLOWED = re.compile(
    r"co_await\b|co_return\s+co_await\b|\(void\)\s*co_await\b|BD_CO_TRY\([^;]*?,\s*co_await\b"
    r"|(?:const\s+)?[\w:]+(?:<[^;=]*>)?(?:\s+const)?[\s*&]+\w+\s*=\s*co_await\b|[\w.>()-]+\s*=\s*co_await\b")


def check_coroutines(path, text):
    """One await per statement: alone, as the initialiser of a named variable, or after co_return. Never in a condition,
    an argument, a ternary, a braced list or a structured binding; and no braced list or lambda among its arguments."""
    code = blank_out(text)
    for match in re.finditer(r"\bco_await\b", code):
        number = code.count("\n", 0, match.start()) + 1
        start = max(code.rfind(char, 0, match.start()) for char in ";{}") + 1
        end = code.find(";", match.end())
        before = code[start:match.end()].strip()
        before = re.sub(r"^(?:(?:case\b(?:[^:]|::)*|default)\s*:(?!:)\s*)+", "", before)
        before = re.sub(r"^(?:else\s+)?(?:if|while|for)\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\s*|^else\s+", "", before)
        after = code[match.end():end]
        if re.match(r"(?:const\s+)?auto\s*&*\s*\[", before):
            yield number, "coroutine", "co_await initialises a structured binding"
        elif not AWAIT_ALLOWED.fullmatch(before):
            yield number, "coroutine", "co_await inside an expression: give the result a name in a statement of its own"
        elif re.search(r"[{}]", after) or re.search(r"[(,]\s*\[", after):
            yield number, "coroutine", "co_await with a braced list or a lambda: name that first"
        elif re.search(r"[^=!<>]\?", after) or re.search(r"\bco_await\b", after):
            yield number, "coroutine", "more than a plain call is awaited: split the statement"


EVERY = (check_file_length, check_whitespace, check_todo, check_names)
CPP = (check_line_length, check_includes, check_function_length, check_coroutines)


def breaches(path, text):
    """Yields (line, rule, what) for a file of this name and content."""
    checks = EVERY + (CPP if is_cpp(path) else ()) + (check_sleeps,)
    for check in checks:
        yield from check(path, text)


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [str(path.relative_to(ROOT)) for top in ("src", "fuzz", "bench", "test", "tools")
                 for path in (ROOT / top).rglob("*")]
    kinds = (".cc", ".h", ".go", ".py", ".sh", ".cmake", ".proto")
    return sorted(pathlib.Path(name) for name in names if name.endswith(kinds))


def read_exceptions():
    with open(ROOT / "tools/tidy.toml", "rb") as file:
        return [dict(entry, used=False) for entry in tomllib.load(file).get("allow", [])]


def is_allowed(exceptions, path, rule):
    for entry in exceptions:
        if entry["rule"] == rule and path.match(entry["file"]):
            entry["used"] = True
            return True
    return False


def main(arguments):
    exceptions = read_exceptions()
    files = [pathlib.Path(name).resolve().relative_to(ROOT) for name in arguments] or tracked_files()
    found = []
    for path in files:
        if (ROOT / path).is_file():
            text = (ROOT / path).read_text(errors="replace")
            found += [f"{path}:{line}: [{rule}] {what}" for line, rule, what in breaches(path, text)
                      if not is_allowed(exceptions, path, rule)]
    found += [f"tools/tidy.toml: nothing needs the exception {entry['file']} [{entry['rule']}] any more"
              for entry in exceptions if not entry["used"] and not arguments]
    print("\n".join(found) or f"tidy: {len(files)} files keep the house rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
