"""The proxies that are compared: how each is configured and started.

Each forwards to one upstream with keep-alive, on one worker, without an access log, and sets
X-Forwarded-For, -Proto, -Port and -Host. The files are in conf/. Blastdoor also makes a request id and a hop header and counts;
the peers are spared that. `routes` is how many hosts there are, each with the paths /a, /b and /c.
"""

import json
import os
import signal
import subprocess
import time

from . import machine, process
from .cases import H2C, PLAIN, TLS
from .machine import first_line

UPSTREAM_PORT, GRPC_PORT = 9000, 9001
OFFSETS = {PLAIN: 0, TLS: 2, H2C: 3}
CONFIGURATIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'conf')
PATHS = ('/a', '/b', '/c')
HOST = 'bench.local'


def host_name(number):
    return f'h{number}.{HOST}'


class Proxy:
    name = ''
    port = 0
    only = None  # The cases that it takes part in; None: all.

    def __init__(self, directory, core, wrapper=()):
        self.directory = os.path.join(directory, self.name)
        os.makedirs(self.directory, exist_ok=True)
        self.core = core
        self.wrapper = list(wrapper)
        self.process = None

    def start(self, routes=0, patience=30):
        """Starts it and waits until it serves. Returns how long that took."""
        self.configure(routes)
        env = self.environment()
        begin = time.monotonic()
        self.process = process.Process(self.wrapper + self.command(), self.core, self.file('log'), env)
        host = host_name(routes - 1) if routes else HOST
        process.wait_until(lambda: self.serves(host), patience, f'the start of {self.name}')
        return time.monotonic() - begin

    def port_of(self, listener):
        return self.port + OFFSETS[listener]

    def make_certificate(self):
        """An ECDSA key on P-256 and its certificate: two files, and both in one for haproxy."""
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-days', '2', '-subj', f'/CN={HOST}', '-addext', f'subjectAltName=DNS:{HOST}',
                        '-keyout', self.file('key.pem'), '-out', self.file('cert.pem')],
                       check=True, capture_output=True)
        with open(self.file('cert.pem')) as cert, open(self.file('key.pem')) as key:
            self.write('both.pem', cert.read() + key.read())
        os.chmod(self.file('key.pem'), 0o644)  # It is worth nothing, and the proxies run as somebody else.

    def write_configuration(self, name, **more):
        """The file `name` of conf/ with its @WORDS@ filled in."""
        with open(os.path.join(CONFIGURATIONS, name)) as file:
            text = file.read()
        words = dict(directory=self.directory, port=self.port, tls_port=self.port_of(TLS), h2c_port=self.port_of(H2C),
                     upstream=UPSTREAM_PORT, grpc=GRPC_PORT, host=HOST, **more)
        for word, value in words.items():
            text = text.replace(f'@{word.upper()}@', str(value))
        self.write(name, text)

    def serves(self, host, path='/c'):
        if not self.process.running():
            raise RuntimeError(f'{self.name} ended:\n{self.process.log_tail()}')
        return process.status_of(f'http://127.0.0.1:{self.port}{path}', host) == 200

    def stop(self):
        if self.process:
            self.process.stop()

    def pids(self):
        return process.tree(self.process.pid)

    def data_pid(self):
        """The process that touches client bytes."""
        return self.pids()[-1]

    def environment(self):
        return None

    def file(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.file(name), 'w') as file:
            file.write(text)

    def hosts(self, routes):
        return [host_name(i) for i in range(routes)] if routes else [HOST]


class Blastdoor(Proxy):
    name = 'blastdoor'
    port = 10000
    exposure = 'internal-http'
    binary = ''  # Set by the command line.

    def command(self):
        return [self.binary, 'run', '--config', self.file('blastdoor.yaml'), '--workers', '1', '--log-level', 'warn']

    def port_of(self, listener):
        return self.port + OFFSETS[TLS if listener == TLS else PLAIN]  # Where HTTP/1.1 is, HTTP/2 is too.

    def environment(self):
        return {'PATH': os.environ.get('PATH', '')}

    def configure(self, routes):
        os.makedirs(self.file('manifests'), exist_ok=True)
        self.make_certificate()
        self.write_configuration('blastdoor.yaml')
        items = [self.ingress(host, PATHS if routes else ('/',)) for host in self.hosts(routes)]
        if not routes:
            items.append(self.ingress(HOST, ('/grpc.Bench',), 'grpc'))
        for start in range(0, len(items), 1000):
            self.write_manifest(f'ingresses-{start}.json', items[start:start + 1000])
        for name, port, more in (('upstream', UPSTREAM_PORT, {}),
                                 ('grpc', GRPC_PORT, {'appProtocol': 'kubernetes.io/h2c'})):
            self.write_manifest(f'{name}.json', self.service(name, port, more))

    @staticmethod
    def service(name, port, more):
        service = {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': name, 'namespace': 'bench'},
                   'spec': {'ports': [{'port': 80, **more}]}}
        slice_ = {'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice',
                  'metadata': {'name': name + '-1', 'namespace': 'bench',
                               'labels': {'kubernetes.io/service-name': name}},
                  'addressType': 'IPv4', 'ports': [{'port': port}],
                  'endpoints': [{'addresses': ['127.0.0.1']}]}
        return [service, slice_]

    def ingress(self, host, paths, service='upstream'):
        backend = {'service': {'name': service, 'port': {'number': 80}}}
        rules = [{'path': path, 'pathType': 'Prefix', 'backend': backend} for path in paths]
        return {'apiVersion': 'networking.k8s.io/v1', 'kind': 'Ingress',
                'metadata': {'name': f'{service}.{host}', 'namespace': 'bench', 'labels': {'expose': self.exposure}},
                'spec': {'rules': [{'host': host, 'http': {'paths': rules}}]}}

    def write_manifest(self, name, items):
        """A list of objects, put in place as a whole."""
        with open(self.file('next'), 'w') as file:
            json.dump({'apiVersion': 'v1', 'kind': 'List', 'items': items}, file)
        os.chmod(self.file('next'), 0o644)
        os.rename(self.file('next'), self.file('manifests/' + name))

    def data_pid(self):
        return self.role('door')

    def stop(self):
        if self.process:
            self.process.stop(signal.SIGINT)  # Drains for a second. SIGTERM would wait for the balancers.

    def role(self, word):
        """The pid of the supervisor's child that has `word` as its command."""
        return next((pid for pid in self.pids() if f' {word} ' in process.command_line(pid)), None)

    @classmethod
    def version(cls):
        return first_line([cls.binary, 'version'])


class Nginx(Proxy):
    name = 'nginx'
    port = 10010
    extra = ''

    def command(self):
        return ['nginx', '-p', self.directory, '-e', self.file('error.log'), '-c', self.file('nginx.conf')]

    def configure(self, routes):
        paths = PATHS if routes else ('/',)
        locations = ''.join(f' location {path} {{ proxy_pass http://backend; }}' for path in paths)
        servers = ''
        for host in self.hosts(routes)[1:]:
            servers += f'  server {{ listen 127.0.0.1:{self.port}; server_name {host};{locations} }}\n'
        self.make_certificate()
        self.write_configuration('nginx.conf', extra=self.extra, first_host=self.hosts(routes)[0],
                                 locations=locations, servers=servers)

    @classmethod
    def version(cls):
        return first_line(['nginx', '-v'])


class Haproxy(Proxy):
    name = 'haproxy'
    port = 10020
    splice = ''

    def command(self):
        return ['haproxy', '-db', '-f', self.file('haproxy.cfg')]

    def configure(self, routes):
        rules = '  default_backend upstream'
        if routes:
            self.write('routes.map', ''.join(f'{host}{path} upstream\n' for host in self.hosts(routes)
                                             for path in PATHS))
            rules = f'  use_backend %[base,map_beg({self.file("routes.map")})]'
        self.make_certificate()
        self.write_configuration('haproxy.cfg', rules=rules, splice=self.splice, maxconn=machine.connections_max())

    @classmethod
    def version(cls):
        return first_line(['haproxy', '-v'])


class HaproxySplice(Haproxy):
    """haproxy as it is best for large bodies between plain sockets: the bytes never leave the kernel."""

    name = 'haproxy-splice'
    port = 10030
    only = ('get-1m', 'post-1m')
    splice = '  option splice-response\n  option splice-request'


class Relay(Proxy):
    """The floor: moves bytes between two sockets and knows nothing of HTTP. No proxy over kernel sockets costs less."""

    name = 'relay'
    port = 10040
    only = ('get-128', 'get-10k', 'post-10k', 'websocket')
    binary = ''  # Set when it was built.

    def command(self):
        return [self.binary, '127.0.0.1', str(self.port), '127.0.0.1', str(UPSTREAM_PORT)]

    def configure(self, routes):
        pass

    @classmethod
    def version(cls):
        return 'relay'


ALL = (Blastdoor, Nginx, Haproxy, HaproxySplice, Relay)
