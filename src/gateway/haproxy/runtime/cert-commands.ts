/** Certificates of users in a running HAProxy (management manual, "set ssl cert", "add ssl crt-list"). */
import { runCommand, CliError } from './cli.ts';
import { parseMap } from './map-commands.ts';

/** A change between two sets of files below certs/: PEM files, and lists of them by server name. */
export interface CertificateChange {
  /** what HAProxy has, by path as it names them */
  now: ReadonlyMap<string, string>;
  wanted: ReadonlyMap<string, string>;
}

const isList = (path: string): boolean => path.endsWith('.list');
const isPem = (path: string): boolean => path.endsWith('.pem');

/**
 * Makes the change. Handshakes under way keep what they have; every other sees the old or the new certificate.
 * @throws CliError where HAProxy refuses a part; the files on disk and a reload are the way out
 */
export async function changeCertificates(socket: string, { now, wanted }: CertificateChange): Promise<void> {
  const say = async (command: string, isFine: RegExp) => {
    const said = await runCommand(socket, command);
    if (!isFine.test(said)) throw new CliError(`${command.split('\n')[0]}: ${said}`);
  };
  for (const [path, pem] of wanted) {
    if (!isPem(path) || now.get(path) === pem) continue;
    if (!now.has(path)) await say(`new ssl cert ${path}`, /^New empty certificate/);
    await setCertificate(socket, path, pem);
  }
  for (const [list, text] of wanted) {
    if (!isList(list) || now.get(list) === text) continue;
    const before = namesOf(now.get(list));
    const after = namesOf(text);
    for (const [pem, names] of before) if (after.get(pem) !== names) await say(`del ssl crt-list ${list} ${pem}`, /deleted in crtlist/);
    for (const [pem, names] of after) if (before.get(pem) !== names) await say(`add ssl crt-list ${list} <<\n${pem} ${names}\n`, /Success/);
  }
  for (const path of now.keys()) if (isPem(path) && !wanted.has(path)) await say(`del ssl cert ${path}`, /deleted/);
}

/** Replaces a certificate and its key that HAProxy knows. */
export async function setCertificate(socket: string, path: string, pem: string): Promise<void> {
  const said = await runCommand(socket, `set ssl cert ${path} <<\n${pem}\n`);
  if (!/^Transaction (created|updated)/.test(said)) throw new CliError(`set ssl cert ${path}: ${said}`);
  const committed = await runCommand(socket, `commit ssl cert ${path}`);
  if (!/Success/.test(committed)) throw new CliError(`commit ssl cert ${path}: ${committed}`);
}

/** Server names by certificate. */
const namesOf = (text: string | undefined): Map<string, string> => parseMap(text ?? '');

/** What HAProxy has, for a process that nothing is known of: contents of PEM files are unknown, and so set anew. @param lists paths as HAProxy names them */
export async function readCertificates(socket: string, lists: readonly string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const list of lists) {
    const shown = await runCommand(socket, `show ssl crt-list ${list}`);
    const entries = shown.split('\n').filter((line) => line.includes('.pem '));
    found.set(list, entries.map((line) => `${line}\n`).join(''));
  }
  for (const line of (await runCommand(socket, 'show ssl cert')).split('\n'))
    if (line.endsWith('.pem')) found.set(line.replace(/^\*/, ''), '');
  return found;
}
