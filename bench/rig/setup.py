"""What every benchmark does before and after: arguments, the upstream's build, directories, the README."""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

from . import load, machine, proxies, report

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPOSITORY = os.path.dirname(BENCH)
RESULTS = os.path.join(BENCH, 'results')
README = os.path.join(BENCH, 'README.md')


def arguments(about):
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--binary', default=os.path.join(REPOSITORY, 'build', 'blastdoor'),
                        help='the Blastdoor to measure (default: build/blastdoor)')
    parser.add_argument('--cores', default='0,1', help="the proxy's core, and that of the load (default: 0,1)")
    parser.add_argument('--json', metavar='FILE', help='also write all figures there')
    parser.add_argument('--quick', action='store_true', help='too short to judge by; shows that all of it works')
    parser.add_argument('--write', action='store_true', help='put the table into bench/README.md')
    return parser


def prepare(options, tools):
    """Checks what has to be there, and moves into a network of its own."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        sys.exit(f"bench: missing: {', '.join(missing)}; tools/install.sh bench installs them")
    if not os.access(options.binary, os.X_OK):
        sys.exit(f'bench: there is no {options.binary}; `make build` makes it, --binary names another')
    options.binary = os.path.abspath(options.binary)
    options.cores = [int(core) for core in options.cores.split(',')]
    proxies.Blastdoor.binary = options.binary
    options.programs = build_programs()  # Before the network is ours alone: Go may have to be fetched.
    proxies.Relay.binary = options.programs['relay']
    machine.enter_own_network()


def build_programs():
    """{name: path} of the upstreams, of the relay, and of the load that is our own."""
    directory = os.path.join(REPOSITORY, 'build', 'bench')
    os.makedirs(directory, exist_ok=True)
    compiler = shutil.which('clang++-19') or shutil.which('c++')
    if compiler is None:
        sys.exit('bench: no C++ compiler for the upstreams and the relay')
    made = {}
    for name, libraries in (('upstream', []), ('upstream_h2', ['-lnghttp2']), ('relay', [])):
        source = os.path.join(BENCH, name + '.cc')
        made[name] = os.path.join(directory, name)
        if not (is_newer(made[name], source) and is_newer(made[name], os.path.join(BENCH, 'listen.h'))):
            subprocess.run([compiler, '-O2', '-std=c++20', source, '-o', made[name], *libraries], check=True)
    source = os.path.join(BENCH, 'load')
    made['load'] = os.path.join(directory, 'load')
    if not is_newer(made['load'], os.path.join(source, 'main.go')):
        go = subprocess.run([os.path.join(REPOSITORY, 'tools', 'k8s', 'go.sh')], text=True,
                            stdout=subprocess.PIPE).stdout.strip()
        if not go:
            sys.exit('bench: no Go, and no way to one, for bench/load')
        subprocess.run([go, 'build', '-o', made['load'], '.'], check=True, cwd=source)
    return made


def is_newer(made, source):
    return os.path.exists(made) and os.path.getmtime(made) >= os.path.getmtime(source)


@contextlib.contextmanager
def rig(options):
    """A directory that the proxies' own users can read, and in it a Rig with its upstreams running."""
    with tempfile.TemporaryDirectory(prefix='blastdoor-bench-') as directory:
        os.chmod(directory, 0o755)
        made = load.Rig(directory, options.programs, options.cores)
        made.start()
        try:
            yield made
        finally:
            made.stop()


def say(text):
    print(text, file=sys.stderr, flush=True)


def publish(options, section, markdown, figures, pictures=()):
    print(markdown)
    if options.json:
        with open(options.json, 'w') as file:
            json.dump(figures, file, indent=1)
    if options.write:
        if options.quick:
            sys.exit('bench: --quick figures do not belong into README.md')
        report.replace_section(README, section, markdown)
        os.makedirs(RESULTS, exist_ok=True)
        for suffix, text in {'.json': json.dumps(figures, indent=1) + '\n', '.md': markdown + '\n', **dict(pictures)}.items():
            with open(os.path.join(RESULTS, section + suffix), 'w') as file:
                file.write(text)
        say(f'bench: wrote the section "{section}" of {README}')
