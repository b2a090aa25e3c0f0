/** A bundle as a value: files with what each is, and what could not be had. */
import { redactLog } from './redact-log.ts';
import { redactText, type Addresses } from './redact-text.ts';
import { redactValue } from './redact-value.ts';
import { unread, type Read } from '../diagnose/read.ts';

export interface BundleFile {
  path: string;
  text: string;
  /** for people */
  what: string;
}

/** A path in the archive has at most 100 bytes. */
const longestPath = 95;

export class Bundle {
  readonly files: BundleFile[] = [];
  /** sentences: what is not in it although it should be, and why */
  readonly missing: string[] = [];
  readonly #addresses: Addresses;

  constructor(addresses: Addresses) {
    this.#addresses = addresses;
  }

  /** What is not there at all is not missing. */
  addRead(path: string, what: string, answer: Read<unknown>): void {
    const why = unread(answer);
    if (why !== undefined) this.missing.push(`${path}: ${why}`);
    else if ('ok' in answer) this.addValue(path, 'isCut' in answer ? `${what}; not all of them, there are too many` : what, answer.ok);
  }

  addValue(path: string, what: string, value: unknown): void {
    this.#add(path, what, `${JSON.stringify(redactValue(value, this.#addresses), null, 2)}\n`);
  }

  addLog(path: string, what: string, text: string): void {
    this.#add(path, what, redactLog(text, this.#addresses));
  }

  addText(path: string, what: string, text: string): void {
    this.#add(path, what, redactText(text, this.#addresses));
  }

  #add(path: string, what: string, text: string): void {
    const whole = path.replace(/[^A-Za-z0-9_./-]/g, '_');
    const fits = Buffer.byteLength(whole) <= longestPath ? whole : `${whole.slice(0, 40)}-${this.files.length}-${whole.slice(-30)}`;
    this.files.push({ path: fits, text, what: fits === whole ? what : `${what} (${path})` });
  }
}

/** A table of what is in it, for who is going to send it. */
export function contentsOf({ files, missing }: Bundle): string {
  const lines = files.map(({ path, text, what }) => `${String(Buffer.byteLength(text)).padStart(9)}  ${path}  ${what}`);
  return [
    'Left out of every file: data of Secrets; values of environment variables, of headers and of annotations that are not of frp.io;',
    'passwords, tokens, keys and what looks like one; query strings; of requests paths, users and clients; mail addresses. Addresses',
    'that are none of the cluster’s are numbered. Names of namespaces, services, Pods and hosts are in it: look before you send it.',
    '',
    'bytes      file  what it is',
    ...lines,
    ...(missing.length === 0 ? [] : ['', 'Missing:', ...missing.map((text) => `- ${text}`)]),
    '',
  ].join('\n');
}
