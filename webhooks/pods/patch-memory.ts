/**
 * Rendered patches by all that they depend on: replicas of one Deployment get the same one. Users write part of the keys,
 * so the memory is bounded in bytes, whatever they write.
 */
import type { PatchOperation } from '../../src/model/json-patch.ts';

export interface RenderedPatch {
  patch: PatchOperation[];
  /** base64 of the patch's JSON */
  patchBase64: string;
  /** what the sidecars add to the Pod's annotations */
  annotationBytes: number;
}

/** 8 MiB hold the patches of some 500 Deployments; rendering one again costs a tenth of a millisecond. */
const defaultLimit = 8 * 1024 * 1024;

export class PatchMemory {
  readonly #entries = new Map<string, RenderedPatch>();
  readonly #limit: number;
  #bytes = 0;

  constructor(limit = defaultLimit) {
    this.#limit = limit;
  }

  /** an estimate from above */
  get bytes(): number {
    return this.#bytes;
  }

  remembered(key: string, build: () => RenderedPatch): RenderedPatch {
    const known = this.#entries.get(key);
    if (known) return known;
    const built = build();
    const bytes = sizeOf(key, built);
    // Nobody's patch is worth the memory of all others.
    if (bytes > this.#limit / 16) return built;
    if (this.#bytes + bytes > this.#limit) {
      // Old entries are those of changed services; starting over is simpler than telling which.
      this.#entries.clear();
      this.#bytes = 0;
    }
    this.#entries.set(key, built);
    this.#bytes += bytes;
    return built;
  }
}

/** A character of the key may take two bytes; the patch is held as base64, and as objects of about twice its text. */
const sizeOf = (key: string, { patchBase64 }: RenderedPatch): number => 2 * key.length + 3 * patchBase64.length + 512;
