"""A client that sends an exact number of requests, for measures that are counted and not timed."""

import dataclasses
import socket
import ssl
import subprocess

from . import tools
from .cases import CLOSE, H2LOAD, TLS
from .proxies import HOST


class H2Client:
    """The same over HTTP/2, by h2load: every send() opens its connections anew."""

    def __init__(self, directory, proxy, case, connections):
        self._directory, self._proxy = directory, proxy
        self._case = dataclasses.replace(case, connections=connections)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def send(self, count):
        command = tools.h2load(self._directory, self._proxy, self._case, requests=count)
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        said = tools.result(self._case, out)
        if not said or tools.problem(self._case, said) or said['requests'] != count:
            raise RuntimeError(f'h2load: {out[-500:]}')
        return count


def client_of(directory, proxy, case, connections):
    if case.tool == H2LOAD:
        return H2Client(directory, proxy, case, connections)
    return Client(proxy.port_of(case.listener), case, connections)


class Client:
    """Requests in lockstep: one on each of `connections`, then all the answers, then the next."""

    def __init__(self, port, case, connections):
        self.port = port
        self.case = case
        lines = [f'{case.method} {case.target()} HTTP/1.1', f'Host: {HOST}']
        if case.request_body:
            lines.append(f'Content-Length: {case.request_body}')
        if case.connection == CLOSE:
            lines.append('Connection: close')
        self.request = '\r\n'.join(lines).encode() + b'\r\n\r\n' + b'x' * case.request_body
        self.sockets = [None] * connections

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for open_ in filter(None, self.sockets):
            open_.close()

    def send(self, count):
        """Sends at least `count` requests. Returns how many."""
        done = 0
        while done < count:
            for index, open_ in enumerate(self.sockets):
                if open_ is None:
                    self.sockets[index] = self._connect()
                self.sockets[index].sendall(self.request)
            for index, open_ in enumerate(self.sockets):
                self._receive(open_)
                if self.case.connection == CLOSE:
                    open_.close()
                    self.sockets[index] = None
            done += len(self.sockets)
        return done

    def send_on_each(self):
        """One request on each connection, one after the other. They stay open."""
        for index in range(len(self.sockets)):
            self.sockets[index] = self._connect()
            self.sockets[index].sendall(self.request)
            self._receive(self.sockets[index])

    def _connect(self):
        made = socket.create_connection(('127.0.0.1', self.port), timeout=60)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.case.listener == TLS:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            made = context.wrap_socket(made)
        return made

    def _receive(self, open_):
        got = b''
        while b'\r\n\r\n' not in got:
            got += self._some(open_)
        head, _, body = got.partition(b'\r\n\r\n')
        if not head.startswith(b'HTTP/1.1 200 '):
            raise RuntimeError(f'an answer other than 200: {head[:200]!r}')
        left = self.case.response_body - len(body)
        while left > 0:
            left -= len(self._some(open_))

    @staticmethod
    def _some(open_):
        got = open_.recv(1 << 18)
        if not got:
            raise RuntimeError('the proxy closed the connection before the end of the answer')
        return got
