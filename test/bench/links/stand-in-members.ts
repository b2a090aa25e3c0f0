/** The tunnels that frps' stand-in (frps-stand-in.ts) tells of. */
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { userOf, type Identity } from '../../../src/gateway/pod-identity.ts';

export interface StandInMember {
  /** name of the service, in the namespace of the identity */
  service: string;
  identity: Identity;
  /** where its app answers */
  port: number;
}

export class StandInMembers {
  /** what is started in the place of frps */
  readonly program: string;
  readonly #file: string;
  readonly #proxies = new Map<string, { name: string; user: string; port: number }>();

  /** @param directory for its files */
  constructor(directory: string) {
    this.#file = join(directory, 'members.json');
    this.program = join(directory, 'frps');
    const standIn = new URL('./frps-stand-in.ts', import.meta.url).pathname;
    const lines = [`MEMBERS=${this.#file}`, 'export MEMBERS', `exec env -u NODE_OPTIONS ${process.execPath} ${standIn} "$@"`];
    writeFileSync(this.program, `#!/bin/sh\n${lines.join('\n')}\n`);
    chmodSync(this.program, 0o755);
    writeFileSync(this.#file, '[]');
  }

  add({ service, identity, port }: StandInMember): void {
    const { namespace, pod, uid } = identity;
    this.#proxies.set(uid, { name: `${namespace}.${service}.0a1b2c3d.${pod}.${uid}`, user: userOf(identity), port });
  }

  remove({ identity }: Pick<StandInMember, 'identity'>): void {
    this.#proxies.delete(identity.uid);
  }

  /** Writes them down. */
  write(): void {
    writeFileSync(`${this.#file}.new`, JSON.stringify([...this.#proxies.values()]));
    renameSync(`${this.#file}.new`, this.#file);
  }

  /** As when frps has news for an agent that runs. */
  async tell(): Promise<void> {
    this.write();
    const body = JSON.stringify({ op: 'CloseProxy', content: { user: { user: 'x' }, proxy_name: 'x' } });
    await fetch('http://127.0.0.1:7400/plugin', { method: 'POST', body });
  }
}
