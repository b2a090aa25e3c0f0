/**
 * What the agent and HAProxy see of frps: its API, its tunnels' port, and an app behind the port of each proxy. The proxies are those
 * of a file (MEMBERS), so thousands of members need no thousands of frpc.
 */
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';

const api = 7500;
const tunnels = 7001;
/** A ping of yamux, answered. */
const pong = Buffer.from('000200020000000000000001', 'hex');

interface Proxy {
  name: string;
  user: string;
  port: number;
}

/** @param file JSON of the proxies; read again at each question */
function serve(file: string): void {
  const apps = new Map<number, Server>();
  const proxies = () => {
    const all = JSON.parse(readFileSync(file, 'utf8')) as Proxy[];
    const wanted = new Set(all.map(({ port }) => port));
    for (const [port, app] of apps)
      if (!wanted.has(port)) {
        app.close();
        apps.delete(port);
      }
    for (const port of wanted) if (!apps.has(port)) apps.set(port, appAt(port));
    return all.map(({ name, user, port }) => ({ name, user, status: 'online', conf: { remotePort: port } }));
  };
  createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.write(pong));
  }).listen(tunnels, '127.0.0.1');
  createHttpServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(request.url === '/api/proxy/tcp' ? JSON.stringify({ proxies: proxies() }) : '[]');
  }).listen(api, '127.0.0.1');
}

function appAt(port: number): Server {
  return createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok'));
  }).listen(port, '127.0.0.1');
}

if (process.argv.includes('--version')) console.log('0.71.0');
else serve(process.env.MEMBERS!);
