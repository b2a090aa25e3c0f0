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
/** Objects of a collection, and bytes of all logs together: a bundle is to be sent. */
const mostObjects = 2000;
const mostLogs = 64 * 1024 * 1024;

export class Bundle {
  readonly files: BundleFile[] = [];
  /** sentences: what is not in it although it should be, and why */
  readonly missing: string[] = [];
  readonly #addresses: Addresses;
  #logs = 0;

  constructor(addresses: Addresses) {
    this.#addresses = addresses;
  }

  /** What is not there at all is not missing. */
  addRead(path: string, what: string, answer: Read<unknown>): void {
    const why = unread(answer);
    if (why !== undefined) this.missing.push(`${path}: ${why}`);
    else if ('ok' in answer) {
      const all: unknown = answer.ok;
      const isLong = Array.isArray(all) && all.length > mostObjects;
      if (isLong || 'isCut' in answer)
        this.missing.push(`${path}: there are more than the first ${isLong ? mostObjects : (all as unknown[]).length}`);
      this.addValue(path, what, isLong ? all.slice(0, mostObjects) : all);
    }
  }

  addValue(path: string, what: string, value: unknown): void {
    this.#add(path, what, `${JSON.stringify(redactValue(value, this.#addresses), null, 2)}\n`);
  }

  addLog(path: string, what: string, text: string): void {
    this.#logs += text.length;
    if (this.#logs > mostLogs) this.missing.push(`${path}: the logs before it have ${mostLogs} bytes already`);
    else this.#add(path, what, redactLog(text, this.#addresses));
  }

  addText(path: string, what: string, text: string): void {
    this.#add(path, what, redactText(text, this.#addresses));
  }

  /** A text that no request is in, and that has question marks of its own. */
  addProgram(path: string, what: string, text: string): void {
    this.#add(path, what, redactText(text, this.#addresses, false));
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
