/** Images that an installation pulls, pinned: their digests come from whoever makes the release. */
import { defaultConfig } from '../../src/config/schema.ts';
import { valuesSchema } from '../chart/values.ts';

/** As the sources name it, with a tag; the program's own has none. */
export type ShippedImages = Readonly<Record<'frpc' | 'frps' | 'haproxy', string>>;

/** sha256:… by reference */
export type Pins = ReadonlyMap<string, string>;

export const ownImage = 'frp-k8s';

/** Those of others, as configuration and chart have them by default. */
export function shippedImages(): ShippedImages {
  const { gateway } = valuesSchema.parse({});
  const of = ({ repository, tag }: { repository: string; tag: string }) => `${repository}:${tag}`;
  return { frpc: defaultConfig.sidecar.image, frps: of(gateway.frps), haproxy: of(gateway.haproxy) };
}

/** REFERENCE=sha256:… of the command line. @throws Error that says what is wrong with one */
export function pinsOf(texts: readonly string[]): Map<string, string> {
  return new Map(
    texts.map((text) => {
      const [, reference, digest] = /^([^=@\s]{1,255})=(sha256:[0-9a-f]{64})$/.exec(text) ?? [];
      if (reference === undefined) throw new Error(`--digest ${text} must be IMAGE:TAG=sha256:… with 64 hexadecimal digits`);
      return [reference, digest!];
    }),
  );
}

/** The reference with its digest, where there is one. */
export const pinned = (reference: string, pins: Pins): string => {
  const digest = pins.get(reference);
  return digest === undefined ? reference : `${reference}@${digest}`;
};
