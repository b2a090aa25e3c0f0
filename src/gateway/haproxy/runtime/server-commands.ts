/** The runtime commands that bring the servers of a running HAProxy to those of a configuration. Pure. */
import type { Running, RunningServer } from './running.ts';
import type { Rendered, Server } from '../config/rendered.ts';

export interface ServerCommands {
  commands: string[];
  /** servers that are in maintenance for good, to be deleted as soon as they have no connection: backend/server */
  pendingRemoval: string[];
}

/** @param backends that are looked at; the others are as wanted */
export function serverCommands(running: Running['servers'], wanted: Rendered['servers'], backends: ReadonlySet<string>): ServerCommands {
  const commands: string[] = [];
  const pendingRemoval: string[] = [];
  for (const backend of backends)
    for (const [name, server] of running.get(backend) ?? []) {
      // Other backends have servers of the configuration's own.
      if (!backend.startsWith('be-') || wanted.get(backend)?.some((other) => other.name === name)) continue;
      if (server.state !== 'maint') commands.push(`set server ${backend}/${name} state maint`);
      pendingRemoval.push(`${backend}/${name}`);
    }
  for (const backend of backends) {
    const present = running.get(backend);
    for (const server of wanted.get(backend) ?? []) {
      const now = present?.get(server.name);
      commands.push(...(now === undefined ? addition(backend, server) : change(backend, server, now)));
    }
  }
  return { commands, pendingRemoval };
}

/**
 * A checked server passes through `drain`, which takes it out of maintenance without a request, is then declared down,
 * and gets requests from its first successful check on.
 */
function addition(backend: string, server: Server): string[] {
  const path = `${backend}/${server.name}`;
  return [
    `add server ${path} 127.0.0.1:${server.port} weight ${server.weight} ${server.options}`,
    ...(server.isChecked ? [`set server ${path} state drain`, `set server ${path} health down`, `enable health ${path}`] : []),
    `set server ${path} state ${stateOf(server)}`,
  ];
}

function change(backend: string, server: Server, now: RunningServer): string[] {
  const path = `${backend}/${server.name}`;
  const state = stateOf(server);
  const commands: string[] = [];
  if (state !== now.state && state !== 'ready') commands.push(`set server ${path} state ${state}`);
  if (server.port !== now.port) commands.push(`set server ${path} addr 127.0.0.1 port ${server.port}`);
  if (server.weight !== now.weight) commands.push(`set server ${path} weight ${server.weight}`);
  if (state !== now.state && state === 'ready') commands.push(`set server ${path} state ready`);
  return commands;
}

const stateOf = ({ isDraining, drainState }: Server): RunningServer['state'] => (isDraining ? drainState : 'ready');

/** What HAProxy says when all is well. */
export const isRoutine = (said: string): boolean =>
  /^(New server registered\.|Server deleted\.|no need to change|(IP|port) changed from|nothing changed)/i.test(said.trim());

/**
 * Servers as they would be found after the commands, to compare the next configuration with: so that no call is needed to
 * know it.
 */
export function afterwards(
  running: Running['servers'],
  wanted: Rendered['servers'],
  { backends, pendingRemoval }: { backends: ReadonlySet<string>; pendingRemoval: readonly string[] },
): Running['servers'] {
  const result: Running['servers'] = new Map(running);
  for (const backend of backends) {
    if (!backend.startsWith('be-')) continue;
    const servers = wanted.get(backend);
    if (!servers) result.delete(backend);
    else
      result.set(
        backend,
        new Map(servers.map((server) => [server.name, { port: server.port, weight: server.weight, state: stateOf(server) }])),
      );
  }
  for (const path of pendingRemoval) {
    const [backend = '', name = ''] = path.split('/');
    const servers = result.get(backend) ?? new Map<string, RunningServer>();
    servers.set(name, { port: running.get(backend)?.get(name)?.port ?? 0, weight: 0, state: 'maint' });
    result.set(backend, servers);
  }
  return result;
}
