/** `frp-k8s check`: what is wrong with an installation and its services, and what to do. */
import { UserError } from '../errors.ts';
import { loadAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { allChecks } from '../diagnose/checks/all.ts';
import { liveProbes } from '../diagnose/live-probes.ts';
import { printJson, printShort, printText, type Look } from '../diagnose/print.ts';
import { exitCodeOf, runChecks, type Report } from '../diagnose/run.ts';
import { takeSnapshot } from '../diagnose/take.ts';
import { throughBackends } from '../explain/through-backends.ts';
import { durationOption, parseOptions } from './options.ts';

export const help = `frp-k8s check: what is wrong with frp-k8s in a cluster, and what to do

usage: frp-k8s check [-n NS] [--pre] [--traffic] [--wait DURATION] [-o text|short|json]

Looks at the cluster, the installation, certificates, webhooks, injection, services, tunnels, gateways and links, and what can
be observed; says of each what is wrong, with the object, a command or sentence that mends it, and where its reason is
explained (docs/reference/reasons.md). It reads alone; a Pod is tried by a dry run, which stores nothing. What the account may
not read is said, and never taken for "none".

      --pre                whether frp-k8s can be installed, before it is
  -n, --namespace NS       services and Pods of this namespace alone (default: all)
      --system NS          namespace of the installation (default: frp-system)
      --traffic            send a real request to every http service through each replica of the gateway, and by each of its
                           backends, and time it
      --wait DURATION      ask again until nothing is wrong, for so long at most
  -o, --output FORMAT      text (default), short (what is wrong, a line each) or json
      --kubeconfig FILE    default: KUBECONFIG, else ~/.kube/config
      --context NAME       default: the current one

exit code: 0 nothing is wrong; 1 something is; 2 no more than warnings, or something could not be looked at

examples:
  frp-k8s check --pre
  frp-k8s check
  frp-k8s check -n shop -o short
  frp-k8s check --wait 2m && echo ready
`;

/** Without a way to the cluster nothing was looked at. */
function accessOf(options: { kubeconfig?: string | undefined; context?: string | undefined }) {
  try {
    return loadAccess(options);
  } catch (error) {
    throw error instanceof UserError ? new UserError(error.message, { exitCode: 2, cause: error }) : error;
  }
}

const formats = ['text', 'short', 'json'] as const;
const pauseMs = 2000;

export async function run(args: string[]): Promise<number> {
  const options = parseOptions('check', args, {
    pre: { type: 'boolean', default: false },
    namespace: { type: 'string', short: 'n' },
    system: { type: 'string', default: 'frp-system' },
    traffic: { type: 'boolean', default: false },
    wait: { type: 'string' },
    output: { type: 'string', short: 'o', default: 'text' },
    kubeconfig: { type: 'string' },
    context: { type: 'string' },
  });
  const format = formats.find((each) => each === options.output);
  if (!format) throw new UserError(`check: -o ${options.output} must be one of ${formats.join(', ')}`);
  const waitMs = options.wait === undefined ? 0 : durationOption('check', 'wait', options.wait);
  const progress = progressOn(process.stderr);
  const access = accessOf(options);
  const client = new KubeClient(access);
  const told: string[] = [];
  const look = async (): Promise<Report & { at: number }> => {
    told.length = 0;
    const snapshot = await takeSnapshot(client, {
      namespace: options.namespace,
      installation: options.system,
      onProgress: (what) => progress.say(`reading ${what}`),
    });
    const probes = { ...liveProbes(access), ...(options.traffic && { throughBackends: throughBackends(client, snapshot.config) }) };
    const context = { snapshot, probes, told: (text: string) => told.push(text) };
    const report = await runChecks(allChecks, context, {
      isPre: options.pre,
      isTraffic: options.traffic,
      onProgress: (title) => progress.say(title),
    });
    return { ...report, at: snapshot.at };
  };
  try {
    const end = Date.now() + waitMs;
    let report = await look();
    while (exitCodeOf(report) !== 0 && Date.now() + pauseMs < end) {
      progress.say('something is wrong still, asking again');
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      report = await look();
    }
    progress.end();
    const style = lookOf(process.stdout, process.env);
    process.stdout.write(
      format === 'json' ? printJson(report, report.at) : format === 'short' ? printShort(report, style) : printText(report, style),
    );
    if (format === 'text') for (const text of told) process.stdout.write(`${text}\n`);
    return exitCodeOf(report);
  } finally {
    progress.end();
    client.close();
  }
}

/** A terminal shows colours; what its locale says it can show decides of the signs. A file is read by who knows UTF-8. */
export function lookOf({ isTTY }: { isTTY?: boolean }, env: NodeJS.ProcessEnv): Look {
  const isTerminal = isTTY === true;
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG || '';
  return { isColoured: isTerminal && !env.NO_COLOR && env.TERM !== 'dumb', isUnicode: !isTerminal || /utf-?8/i.test(locale) };
}

/** One line that is written over, on a terminal alone. */
function progressOn(stream: NodeJS.WriteStream) {
  const isShown = stream.isTTY;
  return {
    say: (text: string) => void (isShown && stream.write(`\r\u001b[K${text.slice(0, (stream.columns ?? 80) - 1)}`)),
    end: () => void (isShown && stream.write('\r\u001b[K')),
  };
}
