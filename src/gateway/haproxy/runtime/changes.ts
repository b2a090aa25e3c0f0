/** Runtime calls that bring a running HAProxy to a configuration of the same skeleton. */
import { changeCertificates, readCertificates } from './cert-commands.ts';
import { CliError, runCommand, runCommands } from './cli.ts';
import { differing, isOrdered, mapCommands, mapText, parseMap, replaceMap } from './map-commands.ts';
import type { Running } from './running.ts';
import { afterwards, isRoutine, serverCommands } from './server-commands.ts';
import type { Rendered } from '../config/rendered.ts';

/** What a HAProxy is known to have. */
export interface Known {
  running: Running;
  /** by path; undefined: to be asked for */
  files: Rendered['files'] | undefined;
  /** what it was brought to, by backend: the same list of servers needs no look; undefined: every backend is to be looked at */
  wanted: Rendered['servers'] | undefined;
  /** servers in maintenance that are to be deleted, and have connections yet: backend/server */
  pendingRemoval: readonly string[];
}

/**
 * Makes the change.
 * @param socket of the worker
 * @returns what HAProxy has then
 * @throws CliError where HAProxy does not take a part of it: what it has is then not known
 */
export async function change(socket: string, wanted: Rendered, known: Known): Promise<Known> {
  await changeFiles(socket, wanted, known);
  const backends = changedBackends(known, wanted.servers);
  const { commands, pendingRemoval } = serverCommands(known.running.servers, wanted.servers, backends);
  const said = (await runCommands(socket, commands)).filter((line) => !isRoutine(line));
  if (said.length > 0) throw new CliError(said.slice(0, 5).join('; '));
  const left = await deleteServers(socket, pendingRemoval);
  const servers = afterwards(known.running.servers, wanted.servers, { backends, pendingRemoval: left });
  return { running: { ...known.running, servers }, files: wanted.files, wanted: wanted.servers, pendingRemoval: left };
}

/** Those whose servers may have to change. */
export function changedBackends({ running, wanted: before, pendingRemoval }: Known, wanted: Rendered['servers']): ReadonlySet<string> {
  const changed = new Set(pendingRemoval.map((path) => path.slice(0, path.indexOf('/'))));
  for (const backend of running.servers.keys()) if (backend.startsWith('be-') && !wanted.has(backend)) changed.add(backend);
  for (const [backend, servers] of wanted) if (before?.get(backend) !== servers) changed.add(backend);
  return changed;
}

/** A server that has connections yet stays in maintenance, and is tried again later. */
async function deleteServers(socket: string, pendingRemoval: readonly string[]): Promise<string[]> {
  const left: string[] = [];
  for (const path of pendingRemoval) {
    const said = await runCommand(socket, `del server ${path}`);
    if (!/deleted|No such server/i.test(said)) left.push(path);
  }
  return left;
}

async function changeFiles(socket: string, wanted: Rendered, { files }: Known): Promise<void> {
  const commands: string[] = [];
  for (const [path, text] of wanted.files) {
    if (!path.startsWith('maps/') || files?.get(path) === text) continue;
    const now = files?.get(path) ?? (await mapText(socket, path));
    if (now === text) continue;
    if (isOrdered(path)) await replaceMap(socket, path, text);
    else {
      const [before, after] = differing(now, text);
      commands.push(...mapCommands(path, parseMap(before), parseMap(after)));
    }
  }
  // A map that only the text of a user names is none of HAProxy's.
  const said = (await runCommands(socket, commands)).filter((line) => !line.startsWith('Unknown map identifier'));
  if (said.length > 0) throw new CliError(said.slice(0, 5).join('; '));
  const certificates = certificatesIn(wanted.files);
  const lists = [...certificates.keys()].filter((path) => path.endsWith('.list'));
  const now = files ? certificatesIn(files) : await readCertificates(socket, lists);
  await changeCertificates(socket, { now, wanted: certificates });
}

const certificatesIn = (files: Rendered['files']): Map<string, string> => new Map([...files].filter(([path]) => path.startsWith('certs/')));
