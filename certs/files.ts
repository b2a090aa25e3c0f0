/** Certificates from files, re-read when they change. It never loads node-forge: `serve` starts with it in milliseconds. */
import { readFile } from 'node:fs/promises';
import { every, systemClock, type Clock } from './clock.ts';
import { problemOf, type Material, type Usage } from './inspect.ts';
import { healthOf, Holder, type CertificateSource } from './source.ts';

export interface FileOptions {
  certFile: string;
  keyFile: string;
  caFile?: string;
  usage?: Usage;
  clock?: Clock;
  pollMs?: number;
  /** told once of each pair that was refused; the old one stays in use */
  onRefused?: (message: string) => void;
}

/**
 * Reads the pair, then polls: it sees rewritten files, renamed ones and the symlink swap of a mounted Secret alike.
 * @throws Error with the file names where the first pair cannot be used
 */
export async function filesSource(options: FileOptions): Promise<CertificateSource & { poll(): Promise<void> }> {
  const { clock = systemClock, pollMs = 5000, usage = 'serverAuth', onRefused = () => {} } = options;
  const files = [options.certFile, options.keyFile, options.caFile].filter((file) => file !== undefined).join(', ');
  const faultOf = (material: Material) => problemOf(material, { now: clock.now(), usage });

  const first = await readMaterial(options);
  const fault = faultOf(first);
  if (fault) throw new Error(`the certificate in ${files} cannot be used: ${fault}`);
  const holder = new Holder(first);
  let refused: string | undefined;

  const refuse = (reason: string) => {
    const message = `the new certificate in ${files} is refused and the old one stays in use: ${reason}`;
    if (message !== refused) onRefused(message);
    refused = message;
  };
  const poll = async () => {
    try {
      const next = await readMaterial(options);
      const problem = isSame(next, holder.current()) ? undefined : faultOf(next);
      if (problem) return refuse(problem);
      refused = undefined;
      if (!isSame(next, holder.current())) holder.change(next);
    } catch (error) {
      refuse((error as Error).message);
    }
  };
  const stop = every(clock, pollMs, poll);
  return {
    current: () => holder.current(),
    onChange: (listener) => holder.onChange(listener),
    health: () => healthOf(holder.current(), clock.now(), refused),
    close: stop,
    poll,
  };
}

/** A swap between two reads would pair an old certificate with a new key, so the certificate is read until it stands still. */
async function readMaterial({ certFile, keyFile, caFile }: FileOptions): Promise<Material> {
  let certPem = await readFile(certFile, 'utf8');
  for (let attempt = 0; ; attempt++) {
    const keyPem = await readFile(keyFile, 'utf8');
    const caPem = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
    const again = await readFile(certFile, 'utf8');
    if (again === certPem || attempt === 3) return { certPem: again, keyPem, ...(caPem === undefined ? {} : { caPem }) };
    certPem = again;
  }
}

const isSame = (a: Material, b: Material) => a.certPem === b.certPem && a.keyPem === b.keyPem && a.caPem === b.caPem;
