// A client of node's own http, https and http2 over one speech: node client.mjs PORT SPEECH HOST BYTES
// It uploads BYTES with a trailer, downloads as many, and prints what it saw as one JSON object.
import { createHash } from 'node:crypto';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';

const [port, speech, host, size] = process.argv.slice(2);
const bytes = Number(size);
const body = Buffer.alloc(bytes);
for (let i = 0; i < bytes; ++i) body[i] = (i * 31 + (i >> 8)) % 256;
const hashOf = (data) => createHash('sha256').update(data).digest('hex');

async function collect(stream) {
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

// Pieces of different sizes.
function send(stream) {
  for (let at = 0, n = 1; at < bytes; at += n, n = (n * 5 + 3) % 30011 + 1) stream.write(body.subarray(at, at + n));
}

async function one(method, path) {
  if (speech.startsWith('h2')) {
    const session = http2.connect(`${speech === 'h2c' ? 'http' : 'https'}://127.0.0.1:${port}`, { rejectUnauthorized: false, servername: host });
    const stream = session.request(
      { ':method': method, ':path': path, ':authority': host, te: 'trailers', ...(method === 'POST' ? { trailer: 'x-sum' } : {}) },
      { endStream: method === 'GET', waitForTrailers: method === 'POST' });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': hashOf(body) }));
    if (method === 'POST') {
      send(stream);
      stream.end();
    }
    let head = {};
    let trailers = {};
    stream.on('response', (fields) => { head = fields; });
    stream.on('trailers', (fields) => { trailers = fields; });
    const data = await collect(stream);
    session.close();
    return { status: head[':status'], head: { ...head }, data, trailers: { ...trailers } };
  }
  const secure = speech === 'h1-tls';
  const request = (secure ? https : http).request({
    host: '127.0.0.1', port, method, path, servername: host, rejectUnauthorized: false,
    headers: { host, te: 'trailers', connection: 'TE', ...(method === 'POST' ? { trailer: 'x-sum', 'transfer-encoding': 'chunked' } : {}) },
  });
  const answered = new Promise((resolve, reject) => request.on('response', resolve).on('error', reject));
  if (method === 'POST') {
    send(request);
    request.addTrailers({ 'x-sum': hashOf(body) });
  }
  request.end();
  const response = await answered;
  const data = await collect(response);
  return { status: response.statusCode, head: response.headers, data, trailers: response.trailers };
}

const upload = await one('POST', '/upload');
const download = await one('GET', `/download?bytes=${bytes}&trailer=1`);
const told = upload.status === 200 ? JSON.parse(upload.data) : { error: String(upload.data) };
const lower = Object.fromEntries(Object.entries(told.trailers ?? {}).map(([k, v]) => [k.toLowerCase(), v]));
console.log(JSON.stringify({
  upload: { status: upload.status, head: upload.head, told, sent: hashOf(body), trailer: lower['x-sum']?.[0] ?? '' },
  download: { status: download.status, head: download.head, bytes: download.data.length, hash: hashOf(download.data), trailer: download.trailers['x-peer-hash'] ?? '' },
}));
process.exit(0);
