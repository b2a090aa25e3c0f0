/**
 * Compares the offline validator with a real API server on generated objects: the same verdict and the same texts.
 * Run it where KUBECONFIG points at a cluster with the CRD and no webhook:
 * `test/cluster/lab run -- npx node test/corpus/agreement.ts [number of objects] [seed]`.
 * Nothing is stored (dry run).
 */
import { KubeConfig } from '@kubernetes/client-node';
import fc from 'fast-check';
import { request } from 'node:https';
import { decodingFindings } from '../../src/model/decoding.ts';
import { structuralDefaults } from '../../src/model/defaults.ts';
import { describeFinding } from '../../src/model/findings.ts';
import { schemaFindings } from '../../src/model/schema-findings.ts';
import { anyService } from '../unit/model/arbitrary.ts';

const config = new KubeConfig();
config.loadFromDefault();
const cluster = config.getCurrentCluster()!;
const options = {};
await config.applyToHTTPSOptions(options);

interface Status {
  reason?: string;
  message?: string;
  details?: { causes?: { field?: string; message?: string }[] };
}

function create(body: unknown): Promise<Status> {
  const url = `${cluster.server}/apis/frp.io/v1beta1/namespaces/default/distributedservices?dryRun=All&fieldValidation=Strict`;
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...options, method: 'POST', headers: { 'content-type': 'application/json' } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString()) as Status));
    });
    sent.on('error', reject).end(JSON.stringify(body));
  });
}

/** What the answering layer says, as sorted lines. */
function theirs(status: Status): string[] {
  if (status.reason === 'Invalid') return lines((status.details?.causes ?? []).map(({ field, message }) => `${field}: ${message}`));
  if (status.reason === 'BadRequest') return lines([...status.message!.matchAll(/unknown field "[^"]*"/g)].map(([text]) => text));
  return status.reason ? [`${status.reason}: ${status.message}`] : [];
}

function ours(object: Record<string, unknown>): string[] {
  const decoding = decodingFindings(object).map(({ message }) => message.replace('strict decoding error: ', ''));
  if (decoding.length > 0) return lines(decoding);
  return lines(schemaFindings(structuralDefaults(object)).map(describeFinding));
}

const lines = (texts: string[]): string[] => [...new Set(texts)].sort();

const [count = 300, seed = Date.now()] = process.argv.slice(2).map(Number);
let refused = 0;
let differing = 0;
for (const object of fc.sample(anyService, { numRuns: count, seed })) {
  const [server, offline] = [theirs(await create(object)), ours(object)];
  if (server.length > 0) refused++;
  if (JSON.stringify(server) === JSON.stringify(offline)) continue;
  differing++;
  if (differing > 5) continue;
  const [only, extra] = [server.filter((line) => !offline.includes(line)), offline.filter((line) => !server.includes(line))];
  console.log(
    JSON.stringify(
      { onlyServer: only.slice(0, 5), onlyOffline: extra.slice(0, 5), object: JSON.stringify(object).slice(0, 1500) },
      null,
      1,
    ),
  );
}
console.log(`${count} objects (seed ${seed}): ${refused} refused by the API server, ${differing} told otherwise offline`);
process.exitCode = differing > 0 ? 1 : 0;
