#!/usr/bin/env python3
"""Tests of tidy.py: each rule finds what it is for, and lets good code pass."""
import pathlib
import unittest

import tidy


def rules(name, text):
    return [rule for _, rule, _ in tidy.breaches(pathlib.Path(name), text)]


def function(lines):
    return "void f() {\n" + "  g();\n" * lines + "}\n"


class Tidy(unittest.TestCase):
    def check(self, cases):
        for name, text, want in cases:
            with self.subTest(name=name, text=text[:60]):
                self.assertEqual(rules(name, text), want)

    def test_limits_hold_at_their_edges(self):
        self.check([
            ("src/a/b.cc", "//\n" * 500, []),
            ("src/a/b.cc", "//\n" * 501, ["file-length"]),
            ("src/a/b.h", "//\n" * 301, ["file-length"]),
            ("src/a/b_test.cc", "//\n" * 700, []),
            ("src/a/b_test.cc", "//\n" * 701, ["file-length"]),
            ("src/a/b.cc", "x" * 100 + "\n", []),
            ("src/a/b.cc", "x" * 101 + "\n", ["line-length"]),
            ("src/a/b.cc", 'f(R"(' + "x" * 101 + ')");\n', []),
            ("src/a/b.cc", function(60), []),
            ("src/a/b.cc", function(61), ["function-length"]),
            ("src/a/b_test.cc", function(61), []),
        ])

    def test_functions_are_found_behind_all_kinds_of_heads(self):
        body = "  g();\n" * 61 + "}\n"
        for head in ("int C::f() const noexcept {", "C::C(int a)\n    : a_(a), b_(f(a)) {", "auto f() -> std::vector<int> {",
                     "TEST(A, B) {", "template <class T>\nvoid f(T t) {", "rt::Task<Result<int>> f(int a) && {"):
            with self.subTest(head=head):
                self.assertEqual(rules("src/a/b.cc", head + "\n" + body), ["function-length"])

    def test_long_tables_classes_and_namespaces_are_no_functions(self):
        body = "  g(),\n" * 61
        for head, end in (("namespace bd::a {", "}"), ("class A final : public B<C(int)> {", "};"), ("const A table[] = {", "};"),
                          ("enum class A : int {", "};"), ('extern "C" {', "}")):
            with self.subTest(head=head):
                self.assertEqual(rules("src/a/b.cc", f"{head}\n{body}{end}\n"), [])

    def test_braces_in_literals_and_comments_do_not_count(self):
        text = "void f() {\n  g('{', \"{\", R\"x({)x\");  // {\n}\n" + "//\n" * 61 + "void h() {\n}\n"
        self.assertEqual(rules("src/a/b.cc", text), [])

    def test_await_stands_alone(self):
        good = ("co_await f(a);", "(void)co_await f(a);", "const int a = co_await f(b, c());", "auto& a = co_await f();",
                "const std::expected<int, E> a = co_await x.f();", "a = co_await f();", "co_return co_await f(a);",
                "BD_CO_TRY(Lease lease, co_await acquire(a));", "if (a && f(b)) co_await f();", "else co_await f();",
                "case A::b: co_await f();", "Waiter::Woken woken = co_await waiter_.wait(now() + 60s);")
        bad = ("if (co_await f()) g();", "while (!co_await f()) {}", "g(co_await f());", "a = b ? co_await f() : c;",
               "auto [a, b] = co_await f();", "A a{co_await f()};", "co_await f({.a = 1});", "co_await f([] { g(); });",
               "co_await f(A{1});", "co_return !co_await f();", "co_await f(b ? c : d);")
        for statement in good:
            with self.subTest(statement=statement):
                self.assertEqual(rules("src/a/b.cc", f"Task<void> f() {{\n  {statement}\n}}\n"), [])
        for statement in bad:
            with self.subTest(statement=statement):
                self.assertEqual(rules("src/a/b.cc", f"Task<void> f() {{\n  {statement}\n}}\n"), ["coroutine"])

    def test_the_small_rules(self):
        self.check([
            ("src/a/b.h", "#include <thread>\n", ["header-include"]),
            ("src/a/b.cc", "#include <thread>\n", []),
            ("src/a/b_for_test.h", "#include <thread>\n", []),
            ("src/a/b.cc", "// TO" + "DO: more\n", ["todo"]),
            ("src/a/b.cc", "int a; \n", ["whitespace"]),
            ("src/a/b.cc", "int a;", ["whitespace"]),
            ("src/a/util.h", "int a;\n", ["file-name"]),
            ("src/a/b_test.cc", "std::this_thread::sleep_for(1s);\n", ["sleep"]),
            ("test/e2e/b_test.go", "\ttime.Sleep(1)\n", ["sleep"]),
            ("test/poll/poll.go", "\ttime.Sleep(1)\n", []),
            ("src/a/b_test.cc", '"sleep(1)";\n', []),
        ])


if __name__ == "__main__":
    unittest.main()
