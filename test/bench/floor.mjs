/**
 * The floor to be compared with: bare node:https that parses the body and answers a fixed patch. No checks, no rules,
 * no log, no metrics. env: PORT, TLS_CRT, TLS_KEY
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const sidecar = {
  name: 'sidecar',
  image: 'registry.local/sidecar:1.0',
  args: ['--config', '/etc/sidecar/config.toml'],
  resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { cpu: '100m', memory: '64Mi' } },
};
const patch = Buffer.from(JSON.stringify([{ op: 'add', path: '/spec/containers/-', value: sidecar }])).toString('base64');
const { PORT, TLS_CRT, TLS_KEY } = process.env;

createServer({ cert: readFileSync(TLS_CRT), key: readFileSync(TLS_KEY), keepAliveTimeout: 120_000 }, (request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const review = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    const body = JSON.stringify({
      apiVersion: review.apiVersion,
      kind: review.kind,
      response: { uid: review.request.uid, allowed: true, patchType: 'JSONPatch', patch },
    });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
    response.end(body);
  });
}).listen(Number(PORT), '127.0.0.1');
