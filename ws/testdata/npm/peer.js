// A WebSocket peer on npm's ws, for interop_npm_test.go: it says the port of its server,
// an echo, and then does what lines of JSON on its standard input ask for; each gets a
// line of JSON as its answer.
'use strict';

const crypto = require('node:crypto');
const http = require('node:http');
const readline = require('node:readline');
const { WebSocket, WebSocketServer } = require('ws');

const say = (what) => console.log(JSON.stringify(what));

// The query of a connection is the options of its perMessageDeflate, as JSON.
const server = http.createServer();
server.on('upgrade', (req, socket, head) => {
  const query = new URL(req.url, 'http://localhost').search.slice(1);
  const wss = new WebSocketServer({
    noServer: true,
    perMessageDeflate: JSON.parse(decodeURIComponent(query)),
    maxPayload: 32 << 20,
    handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false),
  });
  wss.handleUpgrade(req, socket, head, (c) => {
    const report = { pongs: [] };
    c.on('pong', (p) => report.pongs.push(p.toString()));
    c.on('error', (err) => { report.error = String(err); });
    c.on('close', (code, reason) => say({ ...report, code, reason: reason.toString() }));
    c.on('message', (p, binary) => {
      if (!binary && p.toString() === 'close') return c.close(4321, 'as you wish');
      const half = p.length >> 1;
      c.send(p.subarray(0, half), { binary, fin: false }); // a text may be cut inside a character
      return c.send(p.subarray(half), { binary });
    });
    c.ping('there?');
  });
});

// Noise, a text of two-byte characters, and JSON that resembles what was before.
function messages(size) {
  let feed = '';
  for (let i = 0; feed.length < size; i++) {
    feed += `{"id":${crypto.randomInt(1e6)},"symbol":"ABC","price":${crypto.randomInt(1e4) / 100},"side":"buy"},`;
  }
  return [
    { p: crypto.randomBytes(size), binary: true },
    { p: Buffer.from('µ'.repeat(size >> 1)), binary: false },
    { p: Buffer.from(feed.slice(0, size)), binary: false },
  ];
}

// Talks to an echo and ends the connection; the answer says what was seen.
async function talk({ url, deflate, sizes, closeHere }) {
  const c = new WebSocket(url, ['other', 'chat'], { perMessageDeflate: deflate, maxPayload: 32 << 20, handshakeTimeout: 10000 });
  const closed = new Promise((resolve) => c.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
  const failed = new Promise((_, reject) => c.on('error', reject));
  const next = (event) => Promise.race([failed, new Promise((resolve) => c.once(event, (...args) => resolve(args)))]);
  let answer;
  c.on('upgrade', (res) => { answer = res.headers['sec-websocket-extensions']; });
  await next('open');
  for (const size of sizes) {
    for (const { p, binary } of messages(size)) {
      for (const cut of [0, size >> 1]) {
        const echo = next('message');
        if (cut > 0) {
          c.send(p.subarray(0, cut), { binary, fin: false });
          const pong = next('pong');
          c.ping('inside');
          c.send(p.subarray(cut), { binary });
          const [got] = await pong;
          if (got.toString() !== 'inside') throw new Error(`pong ${got}`);
        } else {
          c.send(p, { binary });
        }
        const [got, gotBinary] = await echo;
        if (gotBinary !== binary || !got.equals(p)) throw new Error(`${size} bytes came back as ${got.length}`);
      }
    }
  }
  if (closeHere) c.close(4001, 'bye');
  else c.send('close');
  return { protocol: c.protocol, answer: answer ?? '', ...(await Promise.race([failed, closed])) };
}

server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));

readline.createInterface({ input: process.stdin })
  .on('line', (line) => talk(JSON.parse(line)).then(say, (err) => say({ error: String(err.stack) })))
  .on('close', () => process.exit());
