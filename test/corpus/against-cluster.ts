/**
 * Sends the corpus to the cluster that KUBECONFIG points at, by kubectl, and says where the verdict or a text differs.
 * `npx node test/corpus/against-cluster.ts [layer…]`: only the cases of these layers (decoding, schema, webhook, none).
 */
import { spawnSync } from 'node:child_process';
import { corpusNamespaces, serviceCases, standingServices, statusCases } from './services.ts';

function kubectl(args: string[], input?: unknown) {
  const { status, stdout, stderr } = spawnSync('kubectl', args, {
    input: input === undefined ? '' : JSON.stringify(input),
    encoding: 'utf8',
  });
  return { admitted: status === 0, stdout, stderr };
}

const layers = process.argv.slice(2);
for (const name of corpusNamespaces) kubectl(['create', 'namespace', name]);
for (const service of standingServices) {
  const { admitted, stderr } = kubectl(['apply', '-f', '-'], service);
  if (!admitted) throw new Error(stderr);
}
let wrong = 0;
const cases = serviceCases.filter(({ layer = 'none' }) => layers.length === 0 || layers.includes(layer));
for (const { name, object, stored, refused, warned = [] } of cases) {
  if (stored !== undefined) kubectl(['apply', '-f', '-'], stored);
  const { admitted, stderr } = kubectl(['apply', '--dry-run=server', '-f', '-'], object);
  if (stored !== undefined) kubectl(['delete', '--wait=false', '-f', '-'], stored);
  const missing = [...(refused ?? []), ...(layers.length === 0 || layers.includes('webhook') ? warned : [])].filter(
    (text) => !stderr.includes(text),
  );
  if (admitted === (refused === undefined) && missing.length === 0) continue;
  wrong++;
  console.log(`${name}: ${admitted ? 'admitted' : 'refused'}; lacks ${JSON.stringify(missing)}\n${stderr}`);
}
const [standing] = standingServices;
for (const { name, status, refused } of statusCases) {
  const { admitted, stderr } = kubectl([
    'patch',
    'distributedservice',
    String(standing!.metadata.name),
    `--namespace=${String(standing!.metadata.namespace)}`,
    ...['--subresource=status', '--type=merge', '--dry-run=server', '-p', JSON.stringify({ status })],
  ]);
  if (!admitted && refused.every((text) => stderr.includes(text))) continue;
  wrong++;
  console.log(`status: ${name}: ${admitted ? 'admitted' : 'refused'}; wants ${JSON.stringify(refused)}\n${stderr}`);
}
console.log(`${cases.length + statusCases.length} cases, ${wrong} differ from the corpus`);
process.exitCode = wrong > 0 ? 1 : 0;
