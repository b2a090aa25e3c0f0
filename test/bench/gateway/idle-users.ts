/**
 * Users that connect and then do nothing, in a process of their own because one may open so many files only:
 *
 *   node idle-users.ts COUNT LOCAL_ADDRESS HOST HTTP_PORT HTTPS_PORT
 *
 * By turns they speak plain and TLS, and have been answered, have sent half of their headers, or wait for an answer. Who is
 * turned away comes again.
 */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const [count, localAddress, host, httpPort, httpsPort] = process.argv.slice(2) as [string, string, string, string, string];
const againMs = 5000;
const texts = [
  `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: ${host}\r\nX-Half: `,
  `POST /never HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(20_000)}`,
];

function user(number: number): void {
  const [isTls, text] = [number % 2 === 1, texts[number % texts.length]!];
  const tcp = connect({ host: '127.0.0.1', port: Number(isTls ? httpsPort : httpPort), localAddress });
  const socket = isTls ? connectTls({ socket: tcp, servername: host, rejectUnauthorized: false }) : tcp;
  socket.write(text);
  for (const each of new Set([tcp, socket])) each.on('error', () => {});
  socket.resume().once('close', () => {
    tcp.destroy();
    setTimeout(() => user(number), againMs);
  });
}

for (let number = 0; number < Number(count); number++) setTimeout(() => user(number), number);
