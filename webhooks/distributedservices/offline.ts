/** Validation without a cluster: what kubectl, the API server and the webhooks would say of a DistributedService, layer by layer. */
import type { Config } from '../../src/config/schema.ts';
import { review } from './decide.ts';
import type { Claims } from '../../src/model/claims.ts';
import { decodingFindings } from '../../src/model/decoding.ts';
import { defaulted, defaultService, structuralDefaults } from '../../src/model/defaults.ts';
import { describeFinding, type Finding } from '../../src/model/findings.ts';
import { isObject, objectAt, type JsonObject } from '../../src/model/json.ts';
import { apiVersion, kind } from '../../src/model/names.ts';
import { schemaFindings } from '../../src/model/schema-findings.ts';

/** `decoding`: kubectl and strict field validation; `schema`: the CRD's schema and CEL rules; `webhook`: ours. */
export type Layer = 'decoding' | 'schema' | 'webhook';

export interface Validation {
  /** the layer that answers in a cluster, with its findings and no others; undefined for an object that is admitted */
  layer: Layer | undefined;
  /** of all layers, in their order */
  findings: (Finding & { layer: Layer })[];
  warnings: string[];
}

export interface OfflineContext {
  config: Config;
  /** the services known so far; add each object after it was validated, as applying it would */
  claims: Claims;
  /** for an object that names none */
  namespace?: string;
}

/**
 * Findings have the texts of Kubernetes 1.36 and of the webhook. A finding of the webhook about a field that the
 * schema refuses already is left out, and so is a warning: it would only be its echo.
 */
export function validateOffline(object: unknown, { config, claims, namespace = 'default' }: OfflineContext): Validation {
  const decoding = decodingFindings(object);
  if (!isObject(object) || object.apiVersion !== apiVersion || object.kind !== kind) return validation({ decoding });
  const read: JsonObject = structuralDefaults(object);
  const complete: JsonObject = defaulted(object);
  const schema = schemaFindings(complete);
  const own = objectAt(object, 'metadata')?.namespace;
  const { errors, warnings } = review(complete, typeof own === 'string' && own !== '' ? own : namespace, { config, claims });
  const isEcho = ({ path }: Finding): boolean => schema.some((finding) => concernsSame(finding.path, path));
  const webhook = errors.filter((error) => !isEcho(error));
  const told = warnings.filter((warning) => !isEcho(warning)).map(describeFinding);
  return validation({ decoding, schema, webhook }, [...defaultService(read).warnings, ...told]);
}

/** Whether one path is the other or leads to it. */
function concernsSame(a: string, b: string): boolean {
  const leadsTo = (parent: string, child: string) => child === parent || child.startsWith(`${parent}.`) || child.startsWith(`${parent}[`);
  return leadsTo(a, b) || leadsTo(b, a);
}

function validation(layers: Partial<Record<Layer, Finding[]>>, warnings: string[] = []): Validation {
  const findings = (Object.keys(layers) as Layer[]).flatMap((layer) => layers[layer]!.map((finding) => ({ ...finding, layer })));
  return { layer: findings[0]?.layer, findings, warnings };
}
