/** A bundle of a gateway without a cluster (frp-k8s gateway up), of its directory and its parts. */
import { open, readFile } from 'node:fs/promises';
import type { Reach } from '../explain/reach.ts';
import { askAll } from '../explain/reach.ts';
import { statusAtHome } from '../explain/status.ts';
import type { Summary } from '../gateway/api/report-types.ts';
import { addressesFile, configFile, logFile, parts, ports } from '../gateway/up/layout.ts';
import { programVersion } from '../version.ts';
import { Bundle } from './bundle.ts';
import { addHaproxies } from './haproxies.ts';
import { Addresses, addressesIn } from './redact-text.ts';

const longestLog = 1024 * 1024;
const patienceMs = 5000;

/** @param directory absolute @param fetchMetrics default: of this machine's loopback */
export async function bundleOfDirectory(
  directory: string,
  reach: Reach,
  onProgress: (what: string) => void,
  fetchMetrics = metricsOfAgent,
): Promise<Bundle> {
  const own = await readFile(addressesFile(directory), 'utf8').catch(() => '[]');
  const bundle = new Bundle(new Addresses(addressesIn(own)));
  const missing = (path: string, error: unknown) => void bundle.missing.push(`${path}: ${(error as Error).message}`);
  const at = new Date().toISOString();
  bundle.addValue('versions.json', 'of this program', { program: programVersion, node: process.version, at, platform: process.platform });
  onProgress('configuration');
  await readFile(configFile(directory), 'utf8')
    .then((text) => bundle.addValue('configuration.json', 'that the gateway was started with', JSON.parse(text)))
    .catch((error: unknown) => missing('configuration.json', error));
  bundle.addText('addresses.json', 'where clients dial it', own);
  onProgress('status');
  const status = await askAll<Summary>(reach, '/api/summary');
  bundle.addValue('status.json', 'frp-k8s status -o json', statusAtHome(status, at));
  bundle.missing.push(...status.problems.map((problem) => `status.json: ${problem}`));
  await addHaproxies(bundle, reach);
  for (const part of parts) {
    onProgress(`log of ${part}`);
    await tailOf(logFile(directory, part))
      .then((text) => bundle.addLog(`logs/${part}.log`, `last lines of ${part}, at most 1 MiB`, text))
      .catch((error: unknown) => missing(`logs/${part}.log`, error));
  }
  onProgress('metrics');
  await fetchMetrics()
    .then((text) => bundle.addText('metrics.txt', 'metrics of the agent at that moment', text))
    .catch((error: unknown) => missing('metrics.txt', error));
  return bundle;
}

async function metricsOfAgent(): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${ports.operations}/metrics`, { signal: AbortSignal.timeout(patienceMs) });
  if (!response.ok) throw new Error(`the agent answered ${response.status}`);
  return response.text();
}

/** Without the line that is cut. */
async function tailOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const length = Math.min(size, longestLog);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const text = buffer.toString('utf8');
    return size > length ? text.slice(text.indexOf('\n') + 1) : text;
  } finally {
    await file.close();
  }
}
