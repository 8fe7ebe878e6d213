// A server of node's own http, https and http2 over one speech: node server.mjs ADDRESS PORT SPEECH [CERTIFICATE KEY]
//   POST /upload            answers with what it received, as JSON
//   GET /download?bytes=N   N bytes, streamed, with the hash in the trailer x-peer-hash
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';

const [address, port, speech, certificate, key] = process.argv.slice(2);

function fields(headers) {
  return {
    'x-peer': `node-${speech}`,
    'x-peer-request-id': headers['x-request-id'] ?? '',
    'x-peer-hop': headers['x-blastdoor-hop'] ?? '',
  };
}

// Many small writes, so that chunks and frames have odd sizes; waits when the other side is slow.
async function write(stream, bytes) {
  const sum = createHash('sha256');
  let at = 0;
  for (let size = 1; at < bytes; size = (size * 7 + 1) % 40000) {
    const piece = Buffer.alloc(Math.min(Math.max(size, 1), bytes - at), at % 251);
    at += piece.length;
    sum.update(piece);
    if (!stream.write(piece)) await new Promise((resolve) => stream.once('drain', resolve));
  }
  return sum.digest('hex');
}

async function answer(request, response) {
  const url = new URL(request.url, 'http://peer');
  const head = { ...fields(request.headers), 'x-peer-proto': `HTTP/${request.httpVersion}` };
  if (url.pathname === '/upload') {
    const sum = createHash('sha256');
    let bytes = 0;
    for await (const piece of request) {
      sum.update(piece);
      bytes += piece.length;
    }
    response.writeHead(200, { ...head, 'content-type': 'application/json' });
    response.end(JSON.stringify({
      proto: `HTTP/${request.httpVersion}`, bytes, hash: sum.digest('hex'),
      length: Number(request.headers['content-length'] ?? -1),
      headers: {}, trailers: Object.fromEntries(Object.entries(request.trailers).map(([k, v]) => [k, [v]])),
    }));
  } else if (url.pathname === '/download') {
    response.writeHead(200, { ...head, trailer: 'x-peer-hash' });
    const hash = await write(response, Number(url.searchParams.get('bytes')));
    response.addTrailers({ 'x-peer-hash': hash });
    response.end();
  } else {
    response.writeHead(200, head);
    response.end('hello\n');
  }
}

const tls = certificate ? { cert: readFileSync(certificate), key: readFileSync(key) } : {};
const server = {
  h1: () => http.createServer(answer),
  'h1-tls': () => https.createServer(tls, answer),
  'h2-tls': () => http2.createSecureServer(tls, answer),
  h2c: () => http2.createServer(answer),
}[speech]();
server.listen(Number(port), address);
