#!/usr/bin/env python3
"""Tests that the examples compile to the routes that they promise: examples_test.py BLASTDOOR. tools/demo.sh --check
sends requests to them as well."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
BLASTDOOR = pathlib.Path(sys.argv.pop()).resolve() if len(sys.argv) > 1 else ROOT / "build/blastdoor"

FOUR_DOORS = """\
exposure external-http
listener main
  host www.shop.example
      prefix /       redirect https 443          # Ingress shop/www-http
exposure external-httpsecure
listener main
  host www.shop.example
      prefix /       forward shop/www:http       # Ingress shop/www
exposure internal-http
listener main
  host stock.shop.internal
      prefix /       forward shop/stock:http     # Ingress shop/stock
exposure internal-httpsecure
listener main
  host office.shop.internal
      prefix /       forward shop/office:http    # Ingress shop/office
"""


def blastdoor(*arguments):
    done = subprocess.run([BLASTDOOR, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


class Examples(unittest.TestCase):
    maxDiff = None

    def test_four_doors_compile_to_four_tables(self):
        code, routes = blastdoor("routes", "--manifests", EXAMPLES / "four-doors", "--allow-loopback")
        self.assertEqual(code, 0)
        self.assertEqual(routes, FOUR_DOORS)

    def test_the_typing_mistake_is_the_only_refusal_and_is_named(self):
        code, text = blastdoor("check", "--manifests", EXAMPLES / "four-doors", "--allow-loopback", "--output", "json")
        self.assertEqual(code, 1)
        refused = [finding for finding in json.loads(text)["findings"] if finding["severity"] == "refused"]
        self.assertEqual([(finding["object"]["name"], finding["code"]) for finding in refused], [("sale", "unknown-exposure")])
        self.assertIn("external-http", refused[0]["hint"])

    def test_the_template_exposes_an_application_where_its_values_say(self):
        sys.path.insert(0, str(EXAMPLES / "templates"))
        from render import render
        with tempfile.TemporaryDirectory() as folder:
            rendered = render(EXAMPLES / "templates/app.yaml.j2", EXAMPLES / "templates/values.json")
            (pathlib.Path(folder) / "app.yaml").write_text(rendered)
            code, routes = blastdoor("routes", "--manifests", folder)
        self.assertEqual(code, 0)
        served = [line.split("#")[0].split() for line in routes.splitlines() if line.startswith(("exposure", "  "))]
        self.assertEqual(served, [
            ["exposure", "external-http"], ["host", "cart.shop.example"], ["prefix", "/", "redirect", "https", "443"],
            ["exposure", "external-httpsecure"], ["host", "cart.shop.example"], ["prefix", "/", "forward", "shop/cart:http"],
            ["exposure", "internal-http"],
            ["exposure", "internal-httpsecure"], ["host", "cart.shop.internal"], ["prefix", "/", "forward", "shop/cart:http"],
        ])


if __name__ == "__main__":
    unittest.main()
