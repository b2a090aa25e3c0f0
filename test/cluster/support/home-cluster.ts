/** A home cluster and a VPS, as docs/guide/gateway-anywhere.md has them made: each of its commands, timed. */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { processesOf, signal, type GatewayProcess } from '../../../src/gateway/up/processes.ts';
import type { PartName } from '../../../src/gateway/up/layout.ts';
import { programVersion } from '../../../src/version.ts';
import { commandsOf, type Command } from './guide.ts';
import { reachable } from './cluster.ts';
import { noneEnding, rolledOut } from './kubectl.ts';
import { images } from './objects.ts';
import { root, system } from './places.ts';
import { eventually, must, run, type Outcome } from './run.ts';
import { Vps, vpsAddress, vpsUser } from './vps.ts';

export const guide = join(root, 'docs/guide/gateway-anywhere.md');
export const heading = 'A home cluster and a VPS';
const places = ['On the VPS', 'At home', 'From anywhere'] as const;

/** What `npm run build` has made, which the image is of as well. */
const built = join(root, 'dist');

/** The images of the guide's apps, which nobody can pull here; this one answers every path. */
const standIn = (port: number): string => `image: ${images.echo}, env: [{name: PORT, value: "${port}"}], securityContext: {runAsUser: 0}`;

export interface Timed {
  command: string;
  seconds: number;
}

export class HomeCluster {
  readonly vps: Vps;
  /** empty directories of two people: one has an account on the VPS, the other one is at home */
  readonly #root = mkdtempSync('/tmp/frp-home-');
  readonly #onVps = join(this.#root, 'vps');
  readonly #atHome = join(this.#root, 'home');
  /** as it is installed; whoever updates it writes another one in its place */
  readonly #program = join(this.#root, 'bin/frp-k8s.mjs');
  readonly times: Timed[] = [];
  #token = '';
  #up: { child: ChildProcess; text: string } | undefined;

  constructor(vps: Vps) {
    this.vps = vps;
    chmodSync(this.#root, 0o755);
    for (const directory of [this.#onVps, this.#atHome, join(this.#root, 'bin'), join(this.#root, 'bin/parts')]) mkdirSync(directory);
    chownSync(this.#onVps, vpsUser, vpsUser);
    this.#install();
    writeFileSync(join(this.#root, 'bin/frp-k8s'), `#!/bin/sh\nexec ${process.execPath} ${this.#program} "$@"\n`, { mode: 0o755 });
    // The lab's own may be where only root gets.
    copyFileSync(join(dirname(process.env.FRPC!), 'frps'), join(this.#root, 'bin/frps'));
    symlinkSync(root, join(this.#atHome, 'frp-k8s'));
  }

  /** The directory of the gateway. */
  get directory(): string {
    return join(this.#onVps, 'frp-k8s-gateway');
  }

  /** Every command of the guide's section in order. @returns what the last one printed */
  async followGuide(): Promise<string> {
    let last = '';
    for (const command of commandsOf(guide, heading, places)) {
      const start = performance.now();
      const { code, stdout, stderr } = await this.#follow(command);
      this.times.push({ command: command.text.split('\n')[0]!, seconds: (performance.now() - start) / 1000 });
      assert.equal(code, 0, `${command.text}\n${stdout}${stderr}\n${this.log(20)}`);
      this.#token = /^frp-join-1\.\S+$/m.exec(stdout)?.[0] ?? this.#token;
      last = stdout;
    }
    return last;
  }

  /** A directory for somebody at another cluster, and what the guide has them type there. */
  place(name: string, token: string): { cwd: string; commands: string[] } {
    const cwd = join(this.#root, name);
    mkdirSync(cwd);
    symlinkSync(root, join(cwd, 'frp-k8s'));
    const texts = commandsOf(guide, heading, places).filter(({ where }) => where === 'At home');
    return { cwd, commands: texts.map(({ text }) => this.#withPath(this.#here(text, token))) };
  }

  /** Commands of another section of the guide. @param places how the paragraphs before them begin */
  commandsOf = (section: string, ...places: string[]): Command[] =>
    commandsOf(guide, section, places).map((command) => ({ ...command, text: this.#here(command.text) }));

  async #follow(command: Command): Promise<Outcome> {
    const text = this.#here(command.text);
    if (command.isBackground) {
      this.startUp(text);
      return { code: 0, stdout: '', stderr: '' };
    }
    return command.where === 'On the VPS' ? this.onVps(text) : this.atHome(text);
  }

  /** Writes `gateway up` a configuration, and starts it anew with that. */
  async configureUp(config: Record<string, unknown>): Promise<void> {
    writeFileSync(join(this.#root, 'vps.yaml'), stringify(config));
    const text = this.#up!.text;
    await this.restartUp(text.includes('--config') ? text : `${text} --config ${join(this.#root, 'vps.yaml')}`);
  }

  /** `gateway up`, with the words of before if none are said. */
  startUp(text = this.#up!.text): void {
    this.#up = { text, child: this.vps.start(this.#withPath(`exec ${text}`), { cwd: this.#onVps, log: join(this.#root, 'up.log') }) };
  }

  onVps = (text: string): Promise<Outcome> => this.vps.run(this.#withPath(text), { cwd: this.#onVps });
  /** Runs a script with node on the VPS. @returns what it printed */
  node = async (source: string): Promise<string> => {
    const { code, stdout, stderr } = await this.onVps(`${process.execPath} - <<'E'\n${source}\nE`);
    assert.equal(code, 0, stdout + stderr);
    return stdout;
  };
  /** The same for what goes on until the VPS ends. */
  startNode = (source: string): void => {
    writeFileSync(join(this.#onVps, 'program.cjs'), source);
    this.vps.start(`exec ${process.execPath} program.cjs`, { cwd: this.#onVps, log: join(this.#root, 'program.log') });
  };
  atHome = (text: string): Promise<Outcome> => run('bash', ['-c', this.#withPath(text)], { cwd: this.#atHome });

  /** As a person has them: the guide says `~`, and its programs are on the PATH. */
  #withPath(text: string): string {
    return `export HOME=${this.#onVps} PATH=${join(this.#root, 'bin')}:$PATH; ${text}`;
  }

  #here(text: string, token = this.#token): string {
    return text
      .replaceAll('gw.example.com', vpsAddress)
      .replace('frp-join-1.…', token)
      .replace(
        'newName: registry.example.com/frp-k8s, newTag: 0.1.0',
        `newName: ${images.program.replace(/:[^:/]*$/, '')}, newTag: ${images.program.replace(/^.*:/, '')}`,
      )
      .replace('image: "nginx:1.29"', standIn(80))
      .replace('image: "ollama/ollama:0.12.6"', standIn(11434));
  }

  async token(cluster: string, ...flags: string[]): Promise<string> {
    const made = await this.onVps(`frp-k8s gateway token create --dir ${this.directory} --cluster ${cluster} ${flags.join(' ')}`);
    assert.equal(made.code, 0, made.stderr);
    return made.stdout.trim();
  }

  /** A new token, and joining with it. @returns what `frp-k8s join` came to */
  async join(...flags: string[]): Promise<Outcome> {
    return this.atHome(`frp-k8s join ${await this.token('home', ...flags)}`);
  }

  /** Other keys below `gateway` in the configuration at home, beside those of the guide. */
  async configure(keys: Record<string, unknown>): Promise<void> {
    const file = join(this.#atHome, 'home/config.yaml');
    const config = parse(readFileSync(file, 'utf8')) as { gateway: object };
    writeFileSync(file, stringify({ ...config, gateway: { ...config.gateway, ...keys } }));
    await must('kubectl', ['apply', '-k', dirname(file)]);
    await Promise.all(['frp-webhook', 'frp-controller'].map((name) => rolledOut(system, name)));
    await reachable();
    // One that is ending still answers, by the configuration of before.
    await noneEnding(system, 'frp-webhook');
  }

  /** The process of a part that the others of it descend from. */
  leader(part: PartName): GatewayProcess {
    const found = processesOf(this.directory).find((process) => process.part === part && process.isLeader);
    assert.ok(found, `${part} runs`);
    return found;
  }

  /** Kills a part with all its processes; another one has its place when this returns. */
  async kill(part: PartName): Promise<void> {
    const before = processesOf(this.directory).filter((process) => process.part === part);
    for (const { pid } of before) signal(pid, 'SIGKILL');
    await eventually(`another ${part}`, async () => assert.ok(!before.some(({ pid }) => pid === this.leader(part).pid)));
  }

  /** Kills `gateway up` alone, and starts it again, by the guide's command if no other one is said. */
  async restartUp(text?: string): Promise<void> {
    const { pid } = this.#holder();
    process.kill(pid, 'SIGKILL');
    await eventually('the end of gateway up', async () => assert.throws(() => process.kill(pid, 0)));
    const agent = this.leader('agent').pid;
    this.startUp(text);
    await eventually('another agent', async () => assert.notEqual(this.leader('agent').pid, agent));
  }

  /**
   * Writes a build of the program in place of the one that runs, and has `gateway up` start anew as that, as `systemctl reload`
   * does; the new agent runs when this returns.
   * @param version that it says it has; undefined: the build of before
   */
  async update(version?: string): Promise<void> {
    this.#install(version);
    const agent = this.leader('agent').pid;
    process.kill(this.#holder().pid, 'SIGHUP');
    await eventually('another agent', async () => assert.notEqual(this.leader('agent').pid, agent));
  }

  /** Writes each file of the program in place of the one that is there; the one that imports the others comes last. */
  #install(version = programVersion): void {
    const said = `version:"${programVersion}"`;
    const parts = readdirSync(join(built, 'parts')).filter((name) => name.endsWith('.mjs'));
    const files = parts.map((name) => ({ from: join(built, 'parts', name), to: join(dirname(this.#program), 'parts', name) }));
    files.push({ from: join(built, 'frp-k8s.js'), to: this.#program });
    const texts = files.map(({ from }) => readFileSync(from, 'utf8'));
    assert.ok(
      texts.some((text) => text.includes(said)),
      'the build says its version',
    );
    for (const [index, { to }] of files.entries()) {
      writeFileSync(`${to}.next`, texts[index]!.replaceAll(said, `version:"${version}"`));
      renameSync(`${to}.next`, to);
    }
  }

  /** The process that has the directory, by the number that it has on this side. */
  #holder(): { pid: number } {
    const child = this.#up!.child.pid!;
    // nsenter forks to get into the namespace of processes: the one that it waits for.
    const [inside] = readFileSync(`/proc/${child}/task/${child}/children`, 'utf8').trim().split(' ');
    assert.ok(inside, 'gateway up runs');
    return { pid: Number(inside) };
  }

  /** The last lines that `gateway up` has written. */
  log(lines: number): string {
    try {
      return readFileSync(join(this.#root, 'up.log'), 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }

  async end(): Promise<void> {
    await this.vps.end();
    rmSync(this.#root, { recursive: true, force: true });
  }
}
