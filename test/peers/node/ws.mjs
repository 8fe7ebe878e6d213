// The WebSocket server of the npm package ws: node ws.mjs ADDRESS PORT PACKAGES
// It echoes messages, and tells at /report?id=ID, as JSON, how the connection that asked for /?id=ID went.
import http from 'node:http';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';

const [address, port, packages] = process.argv.slice(2);
const { WebSocketServer } = createRequire(`${packages}/`)('ws');
const reports = new Map();

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://peer');
  if (url.pathname !== '/report') {
    response.end('hello\n');
    return;
  }
  const report = reports.get(url.searchParams.get('id'));
  response.statusCode = report?.ended ? 200 : 404;
  response.end(JSON.stringify(report ?? null));
});
const sockets = new WebSocketServer({ server, maxPayload: 32 << 20, perMessageDeflate: false });
sockets.on('connection', (socket, request) => {
  const report = { ended: false, events: [], hop: request.headers['x-blastdoor-hop'] ?? '' };
  reports.set(new URL(request.url, 'http://peer').searchParams.get('id'), report);
  const note = (what, data) => report.events.push(`${what} ${data.length} ${createHash('sha256').update(data).digest('hex').slice(0, 16)}`);
  socket.on('message', (data, binary) => {
    note(binary ? 'binary' : 'text', data);
    socket.send(data, { binary });
  });
  socket.on('ping', (data) => note('ping', data));
  socket.on('pong', (data) => note('pong', data));
  socket.on('error', (error) => report.events.push(`error ${error.code ?? error.message}`));
  socket.on('close', (code, reason) => {
    report.events.push(`close ${code} ${reason}`);
    report.ended = true;
  });
});
server.listen(Number(port), address);
