"""What is measured: each case is a kind of request, and the tool that sends it."""

import dataclasses

KEEP_ALIVE, CLOSE = 'keep-alive', 'close'
WRK, H2LOAD, HANDSHAKE, WEBSOCKET = 'wrk', 'h2load', 'handshake', 'websocket'
PLAIN, TLS, H2C = 'plain', 'tls', 'h2c'

FRAME = 128           # Bytes of payload in one frame of the WebSocket.
FRAME_HEAD = 4        # Of a server's frame of that length.
GRPC_MESSAGE = 133    # Five bytes of length, and 128.


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    about: str
    response_body: int
    method: str = 'GET'
    request_body: int = 0
    connection: str = KEEP_ALIVE
    tool: str = WRK
    listener: str = PLAIN
    path: str = '/c'
    connections: int = 64
    streams: int = 1      # At once on each connection.
    basic: bool = False   # Also without --all.

    def target(self):
        return self.path if self.is_grpc() else f'{self.path}?bytes={self.response_body}'

    def in_flight(self):
        return self.connections * self.streams

    def is_grpc(self):
        return self.listener == H2C


MIB = 1 << 20

CASES = (
    Case('get-128', 'GET, 128 B', 128, basic=True),
    Case('get-10k', 'GET, 10 KiB', 10 << 10, basic=True),
    Case('post-10k', 'POST 10 KiB, answer 128 B', 128, 'POST', 10 << 10, basic=True),
    Case('close', 'GET, 128 B, a connection per request', 128, connection=CLOSE, basic=True),
    Case('get-1m', 'GET, 1 MiB', MIB, basic=True),
    Case('post-1m', 'POST 1 MiB, answer 128 B', 128, 'POST', MIB, path='/big'),
    Case('tls-128', 'TLS 1.3, GET, 128 B', 128, listener=TLS),
    Case('tls-handshake', 'TLS 1.3, a full handshake per request', 128, tool=HANDSHAKE, listener=TLS,
         connection=CLOSE, connections=16),
    Case('h2-128', 'HTTP/2 over TLS, GET, 128 B, 32 streams', 128, tool=H2LOAD, listener=TLS,
         connections=16, streams=32),
    Case('grpc', 'gRPC, unary, 128 B both ways, 32 streams', GRPC_MESSAGE, 'POST', GRPC_MESSAGE, tool=H2LOAD,
         listener=H2C, path='/grpc.Bench/Unary', connections=16, streams=32),
    Case('websocket', 'WebSocket, an echo of 128 B', FRAME, tool=WEBSOCKET, path='/ws'),
)
