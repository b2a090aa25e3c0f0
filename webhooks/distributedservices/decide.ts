/**
 * The webhooks of DistributedServices: what is defaulted, and what is refused or warned of beyond the schema.
 * Pure functions from a review to a decision; the rules are tables, one file for each kind.
 */
import type { Config } from '../../src/config/schema.ts';
import type { Claims } from '../../src/model/claims.ts';
import { defaultService } from '../../src/model/defaults.ts';
import { describeFinding, sameFinding, type Finding } from '../../src/model/findings.ts';
import { usesGateway } from '../../src/model/gateway.ts';
import { equalJson, isObject, objectAt, type JsonObject } from '../../src/model/json.ts';
import type { DecisionReason } from '../../src/model/reasons/admission.ts';
import type { DistributedService } from '../../src/model/types.ts';
import type { AdmissionRequest, Decision } from '../review/types.ts';
import { listed } from '../review/listed.ts';
import { missingGroups, moves } from './gateway.ts';
import { findingsOf } from './rule.ts';
import { errorRules, warningRules } from './rules.ts';
import { subjectOf } from './subject.ts';
import { conflictFinding, wildcardFindings } from './tenancy.ts';

export interface Rulebook {
  config: Config;
  /** what the services of the cluster claim */
  claims: Claims;
}

/** Adds what is absent and has a default below an absent parent (R2.36 to R2.38). */
export function decideDefault({ operation, subResource, object }: AdmissionRequest): Decision {
  if ((operation !== 'CREATE' && operation !== 'UPDATE') || subResource) return skipped('NotChecked', `${operation} is not defaulted`);
  if (isDeleting(object)) return skipped('Deleting', 'the object is being deleted');
  const { patch, warnings } = defaultService(object, operation);
  if (patch.length === 0) return { outcome: 'allowed', reason: 'NothingToDefault', message: 'nothing to default', warnings };
  const fields = patch.map(({ path }) => path.slice(1).replaceAll('/', '.'));
  return { outcome: 'patched', reason: 'Defaulted', message: `defaulted ${fields.join(', ')}`, patch, warnings };
}

/**
 * Refuses what breaks a rule, with all errors at once. An update may keep the errors that the stored object has
 * (ratcheting); nothing stands in the way of a deletion (G-11).
 */
export function decideValidate(request: AdmissionRequest, rulebook: Rulebook): Decision {
  const { operation, subResource, object, oldObject, namespace = '' } = request;
  if ((operation !== 'CREATE' && operation !== 'UPDATE') || subResource) return skipped('NotChecked', `${operation} is not checked`);
  if (isDeleting(object)) return skipped('Deleting', 'the object is being deleted');
  if (!isObject(object)) return denied([{ path: 'object', message: 'is not a DistributedService; send a JSON object' }], []);
  const stored = operation === 'UPDATE' && isObject(oldObject) ? oldObject : undefined;
  const { errors, warnings } = review(object, namespace, rulebook);
  const known = stored ? review(stored, namespace, rulebook).errors : [];
  const broken = errors.filter((error) => !known.some((old) => sameFinding(old, error)));
  // Writers of status and metadata, such as the controller, need not hear the warnings again.
  const moved = stored ? moves(subjectOf(stored, namespace, rulebook.config), subjectOf(object, namespace, rulebook.config)) : [];
  const told = stored && equalJson(stored.spec, object.spec) ? [] : [...moved, ...warnings].map(describeFinding);
  if (broken.length > 0) return denied(broken, told);
  return { outcome: 'allowed', reason: 'Valid', message: 'every rule holds', warnings: told };
}

/** Everything that the webhook's rules say of an object, without regard to what is stored under its name. */
export function review(object: JsonObject, namespace: string, { config, claims }: Rulebook): { errors: Finding[]; warnings: Finding[] } {
  const subject = subjectOf(object, namespace, config);
  const service = {
    ...object,
    metadata: { ...objectAt(object, 'metadata'), namespace, name: subject.name },
  } as unknown as DistributedService;
  const conflicts = claims.conflictsOfNew(service).map((conflict) => conflictFinding(conflict, service));
  const absent = usesGateway(subject.spec, config) ? missingGroups(subject, (key) => claims.knows(key)) : [];
  const taken = conflicts.length > 0 ? [] : wildcardFindings(service, config);
  return {
    errors: [...findingsOf(errorRules, subject), ...conflicts],
    warnings: [...findingsOf(warningRules, subject), ...absent, ...taken],
  };
}

const isDeleting = (object: unknown): boolean => objectAt(object, 'metadata')?.deletionTimestamp !== undefined;

const skipped = (reason: DecisionReason, message: string): Decision => ({ outcome: 'skipped', reason, message, warnings: [] });

function denied(findings: Finding[], warnings: string[]): Decision {
  const lines = findings.map(describeFinding);
  return { outcome: 'denied', reason: 'Invalid', message: listed(lines), warnings, details: { errors: lines } };
}
