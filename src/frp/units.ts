/** Units of DistributedService as frp wants them. The schema has checked the form of the values. */
import { milliseconds } from '../config/schema.ts';

/** Whole seconds of a duration such as 90s or 5m. */
export const seconds = (duration: string): number => Math.ceil(milliseconds(duration) / 1000);

/**
 * frp's bandwidth limit: it knows KB and MB only (frp pkg/config/types/types.go), so GB becomes 1024 MB.
 * @param limit such as 10MB
 */
export function bandwidthLimit(limit: string): string {
  return limit.endsWith('GB') ? `${Number.parseInt(limit, 10) * 1024}MB` : limit;
}

const quantityUnits: Record<string, number> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  Ti: 1024 ** 4,
  Pi: 1024 ** 5,
  Ei: 1024 ** 6,
};

/** No quantity that a person writes is longer; the API server admits any length. */
const quantityLimit = 64;

/** Cores or bytes of a Kubernetes quantity; undefined for what is not one (k8s.io/apimachinery/pkg/api/resource). */
export function quantityValue(quantity: unknown): number | undefined {
  if (typeof quantity !== 'string' && typeof quantity !== 'number') return undefined;
  const text = String(quantity);
  if (text.length > quantityLimit) return undefined;
  const [, number, unit, exponent] = /^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:([numkMGTPE]|[KMGTPE]i)?|[eE]([-+]?[0-9]+))$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  return exponent === undefined ? Number(number) * quantityUnits[unit ?? '']! : Number(number) * 10 ** Number(exponent);
}
