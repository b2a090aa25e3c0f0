/** Where a server takes its certificate from. Files, our own authority and others stand behind one small interface. */
import { inspectCertificate, type Material } from './inspect.ts';

export interface Health {
  healthy: boolean;
  /** why not, or what was refused while the material in use is still good */
  reason?: string;
}

export interface CertificateSource {
  current(): Material;
  /** Told after each change, with the new material. @returns a function that ends the subscription */
  onChange(listener: (material: Material) => void): () => void;
  /** whether the material in use can be used now */
  health(): Health;
  close(): void;
}

/** The material in use, and who wants to know of the next one. */
export class Holder {
  #material: Material;
  readonly #listeners = new Set<(material: Material) => void>();

  constructor(material: Material) {
    this.#material = material;
  }

  current(): Material {
    return this.#material;
  }

  change(material: Material): void {
    this.#material = material;
    for (const listener of this.#listeners) listener(material);
  }

  onChange(listener: (material: Material) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The health of material in use, with what was refused since. */
export function healthOf(material: Material, now: number, refused: string | undefined): Health {
  const { notAfter } = inspectCertificate(material.certPem);
  if (notAfter > now) return refused === undefined ? { healthy: true } : { healthy: true, reason: refused };
  const expired = `the certificate in use expired at ${new Date(notAfter).toISOString()}`;
  return { healthy: false, reason: refused === undefined ? expired : `${expired}; ${refused}` };
}
