/** Apps of five people who ran frpc, as Pods; each as it was, without a word of frp in it. */
import { createAuthority, issue } from '../../../certs/authority.ts';
import { images, podSecurity, script } from './objects.ts';
import type { Json } from './kubectl.ts';

/** The Ollama of a desktop: on loopback, and for nobody who calls it by another name. */
export const ollama = script(`require('node:http').createServer((request, answer) => {
  if (!/^(localhost|127\\.0\\.0\\.1)(:[0-9]+)?$/.test(request.headers.host)) return answer.writeHead(403).end();
  answer.writeHead(200, { 'content-type': 'application/x-ndjson' });
  let left = 3;
  const timer = setInterval(() => (left-- > 0 ? answer.write('{"done":false}\\n') : (clearInterval(timer), answer.end('{"done":true}\\n'))), 50);
}).listen(11434, '127.0.0.1');`);

/** One answers by tcp, two by udp. */
export const game = script(`
require('node:net').createServer((socket) => socket.on('error', () => {}).once('data', (text) => socket.end('world ' + text))).listen(25565);
for (const port of [19132, 24454]) {
  const socket = require('node:dgram').createSocket('udp4').bind(port);
  socket.on('message', (text, from) => socket.send(port + ' ' + text, from.port, from.address));
}`);

/** Says at which path it was asked, and takes what comes after an upgrade (RFC 6455) back to whom it came from. */
export const api =
  script(`require('node:http').createServer((request, answer) => answer.end('api ' + request.headers.host + ' ' + request.url))
  .on('upgrade', ({ headers }, socket) => {
    const accept = require('node:crypto').createHash('sha1').update(headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
    const lines = ['HTTP/1.1 101 Switching Protocols', 'connection: upgrade', 'upgrade: websocket', 'sec-websocket-accept: ' + accept];
    socket.on('error', () => {}).write(lines.join('\\r\\n') + '\\r\\n\\r\\n');
    socket.pipe(socket);
  }).listen(3000);`);

export const mailPorts = [25, 587, 465, 143, 993, 995, 4190];

/** Says at which port it was asked, and by whom where it is told (PROXY protocol, version 2). */
const mailSource = `
const signature = Buffer.from('\\r\\n\\r\\n\\0\\r\\nQUIT\\n');
const at = (port) => (socket) => socket.on('error', () => {}).once('data', (first) => {
  const told = first.indexOf(signature) === 0 ? [...first.subarray(16, 20)].join('.') : 'somebody';
  socket.end('port ' + port + ' for ' + told);
});
for (const port of ${JSON.stringify(mailPorts)}) require('node:net').createServer(at(port)).listen(port);
require('node:tls').createServer({ cert: process.env.CERT, key: process.env.KEY }, at(443)).listen(443);`;

/** The Pod's container, and what else it needs; a mail server has low ports, and a certificate of its own. */
export async function mail(host: string): Promise<{ container: Json; pod: Json; authority: string }> {
  const life = { lifetimeMs: 86_400_000, now: Date.now() };
  const authority = await createAuthority(life);
  const pair = await issue(authority, { ...life, commonName: host, dnsNames: [host], usages: ['serverAuth'] });
  const env = [
    { name: 'CERT', value: pair.certPem },
    { name: 'KEY', value: pair.keyPem },
  ];
  const sysctls = [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }];
  return {
    container: { ...script(mailSource), env },
    pod: { securityContext: { ...podSecurity, sysctls } },
    authority: authority.bundlePem,
  };
}

/** The web app prints what it was asked with. */
export const web: Json = { image: images.echo };
