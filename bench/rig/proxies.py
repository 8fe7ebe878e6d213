"""The proxies that are compared: how each is configured and started.

Each forwards to one upstream with keep-alive, on one worker, without an access log, and sets
X-Forwarded-For, -Proto, -Port and -Host. Blastdoor also makes a request id and a hop header and counts;
the peers are spared that. `routes` is how many hosts there are, each with the paths /a, /b and /c.
"""

import json
import os
import signal
import time

from . import process
from .machine import first_line

UPSTREAM_PORT = 9000
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
        return [self.binary, 'run', '--manifests', self.file('manifests'), '--allow-loopback', '--exposures',
                self.exposure, '--workers', '1', '--log-level', 'warn']

    def environment(self):
        return {'PATH': os.environ.get('PATH', '')}

    def configure(self, routes):
        os.makedirs(self.file('manifests'), exist_ok=True)
        items = [self.ingress(host, PATHS if routes else ('/',)) for host in self.hosts(routes)]
        for start in range(0, len(items), 1000):
            self.write_manifest(f'ingresses-{start}.json', items[start:start + 1000])
        service = {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'upstream', 'namespace': 'bench'},
                   'spec': {'ports': [{'port': 80}]}}
        slice_ = {'apiVersion': 'discovery.k8s.io/v1', 'kind': 'EndpointSlice',
                  'metadata': {'name': 'upstream-1', 'namespace': 'bench',
                               'labels': {'kubernetes.io/service-name': 'upstream'}},
                  'addressType': 'IPv4', 'ports': [{'port': UPSTREAM_PORT}],
                  'endpoints': [{'addresses': ['127.0.0.1']}]}
        self.write_manifest('service.json', [service, slice_])

    def ingress(self, host, paths):
        backend = {'service': {'name': 'upstream', 'port': {'number': 80}}}
        rules = [{'path': path, 'pathType': 'Prefix', 'backend': backend} for path in paths]
        return {'apiVersion': 'networking.k8s.io/v1', 'kind': 'Ingress',
                'metadata': {'name': host, 'namespace': 'bench', 'labels': {'expose': self.exposure}},
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


NGINX = '''
worker_processes 1;
pid {directory}/pid;
error_log {directory}/error.log error;
daemon off;
{extra}
events {{ worker_connections 16384; multi_accept on; use epoll; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 100000000;
  keepalive_timeout 75s;
  server_names_hash_max_size 65536;
  server_names_hash_bucket_size 128;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/temp;
  fastcgi_temp_path {directory}/fastcgi;
  scgi_temp_path {directory}/scgi;
  uwsgi_temp_path {directory}/uwsgi;
  upstream backend {{
    server 127.0.0.1:{upstream};
    keepalive 256;
    keepalive_requests 100000000;
  }}
  proxy_http_version 1.1;
  proxy_max_temp_file_size 0;
  proxy_buffers 16 16k;
  proxy_busy_buffers_size 64k;
  proxy_set_header Connection "";
  proxy_set_header Host $host;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto http;
  proxy_set_header X-Forwarded-Port 80;
  proxy_set_header X-Forwarded-Host $host;
{servers}
}}
'''


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
        for number, host in enumerate(self.hosts(routes)):
            options = '' if number else ' reuseport backlog=4096'
            servers += f'  server {{ listen 127.0.0.1:{self.port}{options}; server_name {host};{locations} }}\n'
        self.write('nginx.conf', NGINX.format(directory=self.directory, upstream=UPSTREAM_PORT, servers=servers,
                                              extra=self.extra))

    @classmethod
    def version(cls):
        return first_line(['nginx', '-v'])


HAPROXY = '''
global
  nbthread 1
  maxconn 7000
  tune.pipesize 1048576
defaults
  mode http
  timeout client 75s
  timeout server 55s
  timeout connect 2s
  timeout http-keep-alive 75s
  http-reuse always
{splice}
frontend front
  bind 127.0.0.1:{port} backlog 4096
  option forwardfor
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Port 80
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
{rules}
backend upstream
  server one 127.0.0.1:{upstream} pool-max-conn 512
'''


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
        self.write('haproxy.cfg', HAPROXY.format(port=self.port, upstream=UPSTREAM_PORT, rules=rules,
                                                 splice=self.splice))

    @classmethod
    def version(cls):
        return first_line(['haproxy', '-v'])


class HaproxySplice(Haproxy):
    """haproxy as it is best for large bodies between plain sockets: the bytes never leave the kernel."""

    name = 'haproxy-splice'
    port = 10030
    only = ('get-1m',)
    splice = '  option splice-response'


ALL = (Blastdoor, Nginx, Haproxy, HaproxySplice)
