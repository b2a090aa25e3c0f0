/**
 * Keeps a client from filling frps' memory. frps bounds neither the streams nor the pings of a tunnel, and keeps up to
 * 6 MB of a stream that nobody reads; who does that harms every tunnel at once when frps reaches its limit. So where frps
 * uses more than half of it, and grows, a certificate is turned away: the one whose tunnels had to be paced most
 * (haproxy/config/tunnel-pace.ts), which no sidecar's are, or the one that brings most. Where frps grows all the same it was
 * somebody else: that certificate may come back, and the next one goes.
 */
import { readFile } from 'node:fs/promises';
import type { Log } from '../../log.ts';
import { pause } from '../../kube/backoff.ts';
import { Loop } from '../../kube/loop.ts';

export interface MemoryGuardOptions {
  /** where frps' supervisor writes what frps uses and what it may use, bytes (manifests/gateway/supervise.sh) */
  file: string;
  tunnels: Tunnels;
  log: Pick<Log, 'warn' | 'info'>;
}

export interface Tunnels {
  /** what each open one has brought so far, and how often it had to wait. @throws where it cannot be known */
  traffic: () => Promise<readonly { certificate: string; session: string; bytes: number; waits: number }[]>;
  /** ends those of a certificate, and refuses it for so many milliseconds; 0: no longer */
  turnAway: (certificate: string, ms: number) => Promise<void>;
}

const everyMs = 250;
/** From one measure to whether it helped; longer than the supervisor's half second. */
const settleMs = 1200;
/** At first, and at most: four times as long as the last time. Who brings much may have done nothing wrong: its users may read slowly. */
const awayMs = 15_000;
const mostAwayMs = 600_000;
/** Parts of the limit: from where it is watched who brings how much; from where somebody is turned away; growth that matters. */
const watched = 0.25;
const full = 0.5;
const growth = 0.01;
/** What each has brought is known as of so long ago, or twice that: a burst that came just before the growth is its cause too. */
const sampleMs = 5000;
/** A sidecar that does its work brings something too. Frames of 12 bytes make frps keep up to some hundred times as much. */
const leastBytes = 16_384;
/** Growth so soon after somebody was turned away shows that it was somebody else. */
const provesMs = 5000;

export class MemoryGuard {
  readonly #options: MemoryGuardOptions;
  readonly #loop = new Loop();
  /** the size that growth is measured from, bytes */
  #mark = Infinity;
  /** what each tunnel had brought: of the last two looks that are kept, the later one last */
  #samples: Sample[] = [];
  #suspect: { certificate: string; at: number } | undefined;
  /** for how long each was turned away last, and when */
  readonly #turned = new Map<string, { ms: number; at: number }>();

  /** Starts at once. */
  constructor(options: MemoryGuardOptions) {
    this.#options = options;
    this.#loop.start(
      () => this.#tryToLook(),
      (tookMs) => Math.max(everyMs, 4 * tookMs),
    );
  }

  close(): Promise<void> {
    return this.#loop.close();
  }

  #tryToLook(): Promise<void> {
    return this.#look().catch((error: Error) =>
      this.#options.log.warn(`the tunnels that fill frps' memory are not known: ${error.message}`),
    );
  }

  async #look(): Promise<void> {
    const size = await this.#size();
    if (!size) return;
    const { used, limit } = size;
    this.#mark = Math.max(limit * full, Math.min(this.#mark, used));
    const isGrowing = used >= this.#mark + limit * growth;
    const isDue = used >= limit * watched && performance.now() - (this.#samples.at(-1)?.at ?? -Infinity) >= sampleMs;
    if (!isGrowing && !isDue) return;
    const now = await this.#options.tunnels.traffic();
    const most = isGrowing ? heaviest(now, this.#samples[0]?.bySession) : undefined;
    if (isDue)
      this.#samples = [
        ...this.#samples.slice(-1),
        { at: performance.now(), bySession: new Map(now.map((tunnel) => [tunnel.session, tunnel])) },
      ];
    if (most && (most.waits > 0 || most.bytes >= leastBytes)) await this.#turnAway(most, size);
  }

  async #turnAway(most: Brought, size: { used: number; limit: number }): Promise<void> {
    const { tunnels, log } = this.#options;
    const { certificate } = most;
    const ms = this.#awayFor(certificate);
    const why = most.waits > 0 ? 'asks for more than its share' : 'brings most';
    log.warn({ ...most, ...size, seconds: ms / 1000 }, `turned away the certificate that ${why}, because frps' memory fills`);
    const before = this.#suspect;
    this.#suspect = { certificate, at: performance.now() };
    await tunnels.turnAway(certificate, ms);
    if (before && before.certificate !== certificate && performance.now() - before.at < provesMs) {
      log.info({ certificate: before.certificate }, "frps' memory went on to fill without this certificate; it may come back");
      this.#turned.delete(before.certificate);
      await tunnels.turnAway(before.certificate, 0);
    }
    await pause(settleMs, this.#loop.signal);
    this.#mark = Infinity;
  }

  #awayFor(certificate: string): number {
    const now = performance.now();
    const last = this.#turned.get(certificate);
    for (const [key, { at }] of this.#turned) if (now - at > mostAwayMs * 2) this.#turned.delete(key);
    const ms = last === undefined || now - last.at > mostAwayMs * 2 ? awayMs : Math.min(last.ms * 4, mostAwayMs);
    this.#turned.set(certificate, { ms, at: now });
    return ms;
  }

  /** undefined where the supervisor does not tell, or is just writing */
  async #size(): Promise<{ used: number; limit: number } | undefined> {
    const text = await readFile(this.#options.file, 'utf8').catch(() => '');
    const [, used, limit] = /^([1-9][0-9]{0,15}) ([1-9][0-9]{0,15})\n$/.exec(text) ?? [];
    return used === undefined ? undefined : { used: Number(used), limit: Number(limit) };
  }
}

type Traffic = Awaited<ReturnType<Tunnels['traffic']>>;

interface Sample {
  /** performance.now() */
  at: number;
  bySession: ReadonlyMap<string, { bytes: number; waits: number }>;
}

interface Brought {
  certificate: string;
  bytes: number;
  waits: number;
}

/** Who had to wait most since then, or else has brought most. */
function heaviest(now: Traffic, earlier: Sample['bySession'] = new Map()): Brought | undefined {
  const brought = new Map<string, Brought>();
  for (const { certificate, session, bytes, waits } of now) {
    const before = earlier.get(session) ?? { bytes: 0, waits: 0 };
    const sum = brought.get(certificate) ?? { certificate, bytes: 0, waits: 0 };
    brought.set(certificate, { certificate, bytes: sum.bytes + bytes - before.bytes, waits: sum.waits + waits - before.waits });
  }
  return [...brought.values()].sort((a, b) => b.waits - a.waits || b.bytes - a.bytes)[0];
}
