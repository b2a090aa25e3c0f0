/**
 * A machine on the internet, and the home router between it and the lab: the lab dials out to the machine, and nothing of the
 * machine comes in. The machine is namespaces of network, processes and mounts, so everything on it ends with its first process,
 * and that one with this process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { eventually, must, run, type Outcome } from './run.ts';

/** As users and sidecars know it; of a block that is for documentation. */
export const vpsAddress = '203.0.113.10';
const homeAddress = '203.0.113.1';
const wire = { home: 'frp-home', vps: 'frp-wan' };

/** Who runs what is on the machine: nobody with rights. */
const user = 65532;

/**
 * Of nat/POSTROUTING: Pods go out by the router's address. Of mangle/FORWARD: nothing goes out but what is the router's own. Of
 * mangle/PREROUTING: before any rule of kube-proxy.
 */
const router = {
  masquerade: ['-t', 'nat', 'POSTROUTING', '-o', wire.home, '-j', 'MASQUERADE'],
  onlyOwn: ['-t', 'mangle', 'FORWARD', '-o', wire.home, '-j', 'DROP'],
  closed: ['-t', 'mangle', 'PREROUTING', '-i', wire.home, '-m', 'conntrack', '!', '--ctstate', 'ESTABLISHED,RELATED', '-j', 'DROP'],
};

type Rule = readonly string[];
const rule = (verb: '-A' | '-D' | '-C', [option, table, ...rest]: Rule): string[] => ['-w', option!, table!, verb, ...rest];
const removed = async (rule_: Rule): Promise<void> => {
  while ((await run('iptables', rule('-C', rule_))).code === 0) await must('iptables', rule('-D', rule_));
};

export class Vps {
  readonly #machine: ChildProcess;
  readonly #pid: string;

  private constructor(machine: ChildProcess, pid: string) {
    this.#machine = machine;
    this.#pid = pid;
  }

  /** With a way in both directions; `closeRouter` closes the one in. */
  static async start(): Promise<Vps> {
    for (const each of Object.values(router)) await removed(each);
    await eventually('no wire of before', async () => {
      if ((await run('ip', ['link', 'show', wire.home])).code !== 0) return;
      await run('ip', ['link', 'delete', wire.home]);
      throw new Error(`${wire.home} is there`);
    });
    // The first process takes leave of those whose parents have ended, as that of a machine does.
    const init = 'sleep infinity & wait';
    const words = [
      '--pdeathsig',
      'KILL',
      'unshare',
      '--net',
      '--pid',
      '--mount',
      '--fork',
      '--kill-child',
      '--mount-proc',
      'bash',
      '-c',
      init,
    ];
    const machine = spawn('setpriv', words, { stdio: 'ignore' });
    const pid = await eventually('the first process of the machine', async () => {
      const [first] = readFileSync(`/proc/${machine.pid}/task/${machine.pid}/children`, 'utf8').trim().split(' ');
      if (!first) throw new Error('not yet');
      return first;
    });
    const vps = new Vps(machine, pid);
    await must('ip', ['link', 'add', wire.home, 'type', 'veth', 'peer', 'name', wire.vps, 'netns', pid]);
    await must('ip', ['addr', 'add', `${homeAddress}/24`, 'dev', wire.home]);
    await must('ip', ['link', 'set', wire.home, 'up']);
    for (const words of [
      ['link', 'set', 'lo', 'up'],
      ['addr', 'add', `${vpsAddress}/24`, 'dev', wire.vps],
      ['link', 'set', wire.vps, 'up'],
      ['route', 'add', 'default', 'via', homeAddress],
    ])
      await must('nsenter', [...vps.#inside, 'ip', ...words]);
    // Whoever has no rights may write to it on every machine, but for some that tests run on.
    const nothing = 'mount -t tmpfs none /mnt && mknod -m 666 /mnt/null c 1 3 && mount --bind /mnt/null /dev/null';
    await must('nsenter', [...vps.#inside, 'sh', '-c', nothing]);
    await must('iptables', rule('-A', router.masquerade));
    return vps;
  }

  /** From now on only answers come in, as through a home router. */
  async closeRouter(): Promise<void> {
    await must('iptables', rule('-A', router.closed));
  }

  /** From now on only what runs on the router gets out, such as a proxy; connections of before end. */
  async closeWayOut(): Promise<void> {
    await must('iptables', rule('-A', router.onlyOwn));
  }

  /** Further addresses of the machine, for users on it. */
  async addresses(...added: string[]): Promise<void> {
    for (const address of added) await must('nsenter', [...this.#inside, 'ip', 'addr', 'add', `${address}/24`, 'dev', wire.vps]);
  }

  /** What comes to a port of the machine comes to another one: whoever has no rights listens there. */
  async redirect(ports: Readonly<Record<number, number>>): Promise<void> {
    for (const [from, to] of Object.entries(ports)) {
      const redirect = ['-t', 'nat', 'PREROUTING', '-p', 'tcp', '--dport', from, '-j', 'REDIRECT', '--to-ports', String(to)];
      await must('nsenter', [...this.#inside, 'iptables', ...rule('-A', redirect)]);
    }
  }

  /** A second router, of another network on this machine, that leads to the machine. @returns what cuts the way and mends it */
  async connect(namespace: string): Promise<{ cut: () => Promise<void>; mend: () => Promise<void> }> {
    const [wire, far] = ['frp-branch', 'frp-wan2'];
    const [here, there] = ['198.51.100.1', '198.51.100.10'];
    const inThere = (...words: string[]) => must('nsenter', [`--net=${namespace}`, ...words]);
    await inThere('ip', 'link', 'add', wire, 'type', 'veth', 'peer', 'name', far, 'netns', this.#pid);
    await inThere('ip', 'addr', 'add', `${here}/24`, 'dev', wire);
    await inThere('ip', 'link', 'set', wire, 'up');
    await must('nsenter', [...this.#inside, 'ip', 'addr', 'add', `${there}/24`, 'dev', far]);
    await must('nsenter', [...this.#inside, 'ip', 'link', 'set', far, 'up']);
    await inThere('ip', 'route', 'add', vpsAddress, 'via', there);
    await inThere('iptables', ...rule('-A', ['-t', 'nat', 'POSTROUTING', '-o', wire, '-j', 'MASQUERADE']));
    const both: Rule[] = [
      ['-t', 'mangle', 'POSTROUTING', '-o', wire, '-j', 'DROP'],
      ['-t', 'mangle', 'PREROUTING', '-i', wire, '-j', 'DROP'],
    ];
    let isCut = false;
    const change = async (toBeCut: boolean) => {
      if (isCut === toBeCut) return;
      isCut = toBeCut;
      for (const each of both) await inThere('iptables', ...rule(toBeCut ? '-A' : '-D', each));
    };
    return { cut: () => change(true), mend: () => change(false) };
  }

  /** Whether a program on the machine gets a connection there. */
  async reaches(address: string, port: number): Promise<boolean> {
    const { code } = await run('nsenter', [...this.#inside, 'timeout', '3', 'bash', '-c', `: </dev/tcp/${address}/${port}`]);
    return code === 0;
  }

  /** Runs shell commands on the machine, by its user without rights. */
  run(script: string, options: { cwd: string }): Promise<Outcome> {
    return run('nsenter', [...this.#as(options.cwd), 'bash', '-c', script]);
  }

  /** The same for what stays. @param log file that its output is added to */
  start(script: string, { cwd, log }: { cwd: string; log: string }): ChildProcess {
    const output = openSync(log, 'a');
    const child = spawn('nsenter', [...this.#as(cwd), 'bash', '-c', script], { stdio: ['ignore', output, output] });
    closeSync(output);
    return child;
  }

  /** Ends everything on the machine, and opens the router. */
  async end(): Promise<void> {
    this.#machine.kill('SIGKILL');
    for (const each of Object.values(router)) await removed(each);
  }

  get #inside(): string[] {
    return ['-t', this.#pid, '-n', '-p', '-m'];
  }

  #as(cwd: string): string[] {
    return [...this.#inside, `--wd=${cwd}`, 'setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--no-new-privs', '--'];
  }
}

export { user as vpsUser };

/** While `work` runs, no packet of these Pods gets out to the machine, and none comes back: dropped, not refused. */
export async function dropped<T>(podIPs: readonly string[], work: () => Promise<T>): Promise<T> {
  const rules: Rule[] = podIPs.flatMap((ip) => [
    ['-t', 'mangle', 'FORWARD', '-s', ip, '-o', wire.home, '-j', 'DROP'],
    ['-t', 'mangle', 'FORWARD', '-d', ip, '-i', wire.home, '-j', 'DROP'],
  ]);
  for (const each of rules) await must('iptables', rule('-A', each));
  try {
    return await work();
  } finally {
    for (const each of rules) await removed(each);
  }
}
