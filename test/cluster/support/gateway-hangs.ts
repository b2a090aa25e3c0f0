/** Parts of a gateway that hang, die in every replica at once, or are cut off; each with what it may cost. */
import { setTimeout as sleep } from 'node:timers/promises';
import { losses, type GatewayLoad, type Step, type Told } from './gateway-load.ts';
import { gatewayNamespace, replicaAddress } from './gateway.ts';
import { allServed, anApp } from './gateway-subjects.ts';
import { get } from './kubectl.ts';
import { ended, firstProcessOf, killAtOnce, processesOf, signalTo } from './processes.ts';
import { eventually, must } from './run.ts';

export interface Bounded extends Step {
  /** milliseconds that a request may take at most; of the machine's own slowness a second more is allowed */
  lateMs: number;
  /** seconds in which users may get 503, where nobody can serve: every sidecar has to come back */
  outageSeconds?: number;
  /** In these seconds there is no service: users may get whatever a host has that is nobody's. */
  isAbsent?: true;
}

export const replicas = ['frp-gateway-0', 'frp-gateway-1'] as const;
const [first, second] = replicas;
const commands = {
  agent: /^node .* gateway --config/,
  frps: /^\/usr\/bin\/frps -c/,
  tunnel: /^haproxy.*tunnel\/current\/haproxy\.cfg/,
  users: /^haproxy.*users\/current\/haproxy\.cfg/,
};

type Part = keyof typeof commands;

/** Does something to the processes of a part, and waits until others have taken their place. */
export async function replacing(part: Part, pods: readonly string[], act: () => Promise<void>): Promise<void> {
  const before = new Set(pods.flatMap((pod) => processesOf(pod, commands[part])));
  await act();
  for (const pod of pods)
    await eventually(`another ${part} of ${pod}`, async () => {
      const now = processesOf(pod, commands[part]);
      if (now.length === 0 || now.some((pid) => before.has(pid))) throw new Error(`processes ${now.join(', ') || 'none'}`);
    });
}

/** @param load where the part has connections of users in its hands: they are cut when its supervisor kills it */
const stopped = (part: Part, pods: readonly string[], load?: GatewayLoad) =>
  replacing(part, pods, async () => {
    const since = performance.now();
    const hung = pods.flatMap((pod) => processesOf(pod, commands[part]));
    for (const pod of pods) signalTo(pod, commands[part], 'SIGSTOP');
    if (!load) return;
    await ended(hung);
    load.died(since);
  });

export const killed = (part: Part, pods: readonly string[], load?: GatewayLoad): Promise<void> =>
  replacing(part, pods, async () => {
    await killAtOnce(() => pods.flatMap((pod) => processesOf(pod, commands[part])));
    load?.died();
  });

/** Drops every packet between a Pod and an address, while something happens. */
async function cutOff(pod: string, addresses: readonly string[], work: () => Promise<void>): Promise<void> {
  const pid = firstProcessOf(pod);
  const rules = addresses.flatMap((address) => [
    ['INPUT', '-s', address, '-j', 'DROP'],
    ['OUTPUT', '-d', address, '-j', 'DROP'],
  ]);
  const all = async (action: '-I' | '-D') => {
    for (const rule of rules) await must('nsenter', ['-t', String(pid), '-n', 'iptables', '-w', action, ...rule]);
  };
  await all('-I');
  try {
    await work();
  } finally {
    await all('-D');
  }
}

export const hangs: readonly Bounded[] = [
  {
    name: 'frps hangs in one replica',
    ends: [1],
    lateMs: 3500,
    run: async () => {
      await stopped('frps', [second]);
      await allServed();
    },
  },
  {
    name: "the users' HAProxy hangs in one replica",
    ends: [1],
    // Whoever it held waits until it is killed; a new connection waits for the Service at the most.
    lateMs: 5000,
    run: async (load) => {
      await stopped('users', [second], load);
      await allServed();
    },
  },
  {
    name: "the tunnels' HAProxy hangs in one replica",
    ends: [1],
    lateMs: 3500,
    run: async () => {
      await stopped('tunnel', [second]);
      await allServed();
    },
  },
  {
    name: "the tunnels' HAProxy is killed in one replica",
    ends: [1],
    lateMs: 3500,
    run: async () => {
      await killed('tunnel', [second]);
      await allServed();
    },
  },
  {
    name: "the tunnels' HAProxy is killed in both replicas",
    ends: [0, 1],
    lateMs: 10_000,
    outageSeconds: 10,
    run: async () => {
      await killed('tunnel', replicas);
      await allServed();
    },
  },
  {
    name: "the users' HAProxy is killed in both replicas",
    ends: [0, 1],
    lateMs: 3500,
    run: async (load) => {
      await killed('users', replicas, load);
      await allServed();
    },
  },
  {
    name: 'the agents of both replicas hang',
    lateMs: 3500,
    run: async () => {
      await stopped('agent', replicas);
      await allServed();
    },
  },
  {
    name: 'the replicas are cut off from each other, and frps and the agent of one crash',
    ends: [1],
    lateMs: 10_000,
    run: async () => {
      await cutOff(second, [await replicaAddress(0)], async () => {
        // Until each has seen that the other cannot be reached.
        await sleep(5000);
        await Promise.all([killed('frps', [second]), killed('agent', [second])]);
        await sleep(5000);
      });
      await allServed();
    },
  },
  {
    name: 'one sidecar is cut off from one replica',
    lateMs: 3500,
    run: async () => {
      const pod = await anApp();
      await cutOff(pod, [await replicaAddress(1)], () => sleep(20_000));
      await allServed();
    },
  },
];

const noApiServer = ['INPUT', '-p', 'tcp', '--dport', '6443', '-j', 'REJECT', '--reject-with', 'tcp-reset'];

export const apiServerAway: Bounded = {
  name: 'the API server is away for two minutes, and much is killed meanwhile',
  isLong: true,
  ends: [0, 1],
  // Nobody can take the Pod whose containers all end out of the Service.
  refuses: true,
  lateMs: 10_000,
  run: async (load) => {
    const pod = await anApp();
    await must('iptables', ['-w', '-I', ...noApiServer]);
    try {
      await sleep(5000);
      await killed('users', [first], load);
      await sleep(15_000);
      await killAtOnce(() => processesOf(second));
      load.died();
      await sleep(20_000);
      await killAtOnce(() => processesOf(pod));
      await sleep(15_000);
      await killed('agent', [first]);
      await sleep(60_000);
    } finally {
      await must('iptables', ['-w', '-D', ...noApiServer]);
    }
    await eventually('the API server answers', () => get(gatewayNamespace, 'pod', second));
    await allServed();
  },
};

/** A second of the machine's own. */
const graceMs = 1000;

/** Of a request: as good as lost, on whatever machine. */
export const lostAfterMs = 10_000;

/** In what a fault was worse than it may be. @param lateMs that a request may take */
export function beyond(step: Bounded, told: Told, lateMs = step.lateMs + graceMs): string[] {
  const { http, https } = told;
  const slowest = Math.max(http.slowest, https.slowest);
  const late = slowest > lateMs ? [`a request took ${slowest} ms, and may take ${Math.min(lateMs, step.lateMs)}`] : [];
  if (step.outageSeconds === undefined) return [...losses(told), ...late];
  const outage = Math.max(http.outageMs, https.outageMs);
  const byRight = step.isAbsent ? / × https?: / : / × https?: status 503$/;
  const other = losses(told).filter((text) => !byRight.test(text));
  return [...other, ...late, ...(outage > step.outageSeconds * 1000 ? [`503 for ${Math.round(outage)} ms`] : [])];
}
