/** Requests of users, from the client Pod through the frp server. */
import { clientNamespace } from './places.ts';
import { tryKubectl } from './kubectl.ts';
import { eventually, type Outcome } from './run.ts';

export const server = 'frp-server.frp-system.svc';

const inClient = (...command: string[]): Promise<Outcome> => tryKubectl('-n', clientNamespace, 'exec', 'client', '--', ...command);

/**
 * Sends requests to a virtual host of the frp server, or of the gateway, each on a new connection; gives how many each Pod answered.
 * A request that fails, or is not answered with a 2xx status, is an error.
 */
export async function requests(host: string, count: number, path = '/', via = server): Promise<Map<string, number>> {
  return shares(await inClient('curl', '-f', '-sS', '-m', '10', '-n', String(count), '-H', `Host: ${host}`, `http://${via}${path}`), count);
}

/** The same for a port of the frp server that leads to an http backend. */
export async function requestsToPort(address: string, port: number, count: number): Promise<Map<string, number>> {
  return shares(await inClient('curl', '-f', '-sS', '-m', '10', '-n', String(count), `http://${address}:${port}/`), count);
}

function shares({ code, stdout, stderr }: Outcome, count: number): Map<string, number> {
  const answered = new Map<string, number>();
  for (const [, pod] of stdout.matchAll(/^hostname: (\S+)$/gm)) answered.set(pod!, (answered.get(pod!) ?? 0) + 1);
  const total = [...answered.values()].reduce((sum, n) => sum + n, 0);
  if (code !== 0 || total !== count) throw new Error(`${total} of ${count} requests answered, exit ${code}: ${stderr || stdout}`);
  return answered;
}

/** HTTP status of one request to a virtual host. */
export async function status(host: string, path = '/', via = server): Promise<number> {
  const { code, stdout, stderr } = await inClient(
    'curl',
    '-sS',
    '-m',
    '10',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    '-H',
    `Host: ${host}`,
    `http://${via}${path}`,
  );
  if (code !== 0) throw new Error(stderr);
  return Number(stdout);
}

/** Waits until exactly `pods` Pods share the requests to a host; gives their names. */
export const servedBy = (host: string, pods: number, via = server): Promise<string[]> =>
  eventually(`${pods} Pods behind ${host}`, async () => {
    const names = [...(await requests(host, Math.max(4, pods * 4), '/', via)).keys()].sort();
    if (names.length !== pods) throw new Error(`served by ${names.length}: ${names.join(', ')}`);
    return names;
  });

/** What a TCP or UDP echo answers to `text`. */
export async function echo(protocol: 'tcp' | 'udp', address: string, port: number, text: string): Promise<string> {
  const { code, stdout, stderr } = await inClient('client', protocol, '-t', '5', `${address}:${port}`, text);
  if (code !== 0) throw new Error(`${protocol} ${address}:${port}: ${stderr}`);
  return stdout;
}
