/**
 * The schema layer offline: ajv over the schema that the API server gets, its errors told in the API server's words.
 * Source of the texts: kube-openapi pkg/validation/errors, apiextensions-apiserver pkg/apiserver/validation/validation.go
 * and registry/customresource, apimachinery pkg/util/validation/field/errors.go (Kubernetes 1.36).
 */
import type { ErrorObject } from 'ajv';
import { rendered, type Finding } from './findings.ts';
import { isObject, type JsonObject } from './json.ts';
import { metadataFindings } from './metadata.ts';
import { scaleFindings } from './scale-findings.ts';
import { celRules, type CelRule } from './rules.ts';
import { validator } from './schema-validator.ts';

/**
 * All findings of the API server's schema validation and CEL rules for an object that was decoded and defaulted.
 * `old` is the stored object of an update.
 */
export function schemaFindings(object: JsonObject, old?: JsonObject): Finding[] {
  // The API server drops the status that a user sends: it belongs to the status subresource.
  const { status: _status, ...written } = object;
  const errors = structureErrors(written);
  const structure = [...metadataFindings(object.metadata), ...errors.map(({ finding }) => finding), ...scaleFindings(object)];
  if (errors.some(({ blocking }) => blocking)) return [...structure, uncheckedRules];
  return [...structure, ...celFindings(written, old)];
}

/** Violations of these kinds keep the API server from running CEL rules (hasBlockingErr in customresource/strategy.go). */
const blockingKeywords = ['type', 'required', 'enum', 'maxLength', 'maxItems', 'maxProperties'];

const uncheckedRules: Finding = {
  path: '<nil>',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
};

function structureErrors(object: JsonObject): { finding: Finding; blocking: boolean }[] {
  const validate = validator();
  if (validate(object)) return [];
  const seenStrings = new Set<string>();
  return (validate.errors ?? [])
    .filter((error) => isFirstOfString(error, seenStrings))
    .flatMap((error) => findingsOf(error, fieldPath(error, object)));
}

/** The API server stops at the first violation of a string: maxLength, minLength, pattern; ajv reports them in this order. */
function isFirstOfString({ keyword, instancePath }: ErrorObject, seen: Set<string>): boolean {
  if (!['maxLength', 'minLength', 'pattern'].includes(keyword)) return true;
  if (seen.has(instancePath)) return false;
  seen.add(instancePath);
  return true;
}

function findingsOf(error: ErrorObject, path: string): { finding: Finding; blocking: boolean }[] {
  const blocking = blockingKeywords.includes(error.keyword);
  const findings = [{ finding: { path, message: messageOf(error, path) }, blocking }];
  if (error.keyword === 'type' && error.schema === 'integer' && typeof error.data === 'number') {
    const message = `Invalid value: "": Checked value must be of type integer (default format) in ${path}`;
    findings.push({ finding: { path: '<nil>', message }, blocking: false });
  }
  return findings;
}

function messageOf({ keyword, data, schema }: ErrorObject, path: string): string {
  const invalid = (problem: string): string => `Invalid value: ${rendered(data)}: ${path} in body should ${problem}`;
  switch (keyword) {
    case 'required':
      return 'Required value';
    case 'type': {
      const type = typeName(data);
      return `Invalid value: "${type}": ${path} in body must be of type ${schema as string}: "${type}"`;
    }
    case 'enum':
      return `Unsupported value: ${rendered(data)}: supported values: ${(schema as unknown[]).map(rendered).join(', ')}`;
    case 'maxLength':
      return `Too long: may not be more than ${schema as number} bytes`;
    case 'maxItems':
      return `Too many: ${(data as unknown[]).length}: must have at most ${schema as number} items`;
    case 'maxProperties':
      return `Too many: ${Object.keys(data as object).length}: must have at most ${schema as number} items`;
    case 'minLength':
      return invalid(`be at least ${schema as number} chars long`);
    case 'pattern':
      return invalid(`match '${schema as string}'`);
    case 'minimum':
      return invalid(`be greater than or equal to ${schema as number}`);
    case 'maximum':
      return invalid(`be less than or equal to ${schema as number}`);
    default:
      throw new Error(`schema keyword ${keyword} has no text yet`);
  }
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

/** `/spec/backends/endpoints/0/port` as `spec.backends.endpoints[0].port`. */
function fieldPath({ instancePath, keyword, params }: ErrorObject, object: JsonObject): string {
  const tokens = instancePath.split('/').slice(1).map(unescaped);
  if (keyword === 'required') tokens.push((params as { missingProperty: string }).missingProperty);
  let path = '';
  let value: unknown = object;
  for (const token of tokens) {
    if (Array.isArray(value)) path += `[${token}]`;
    else path += path === '' ? token : `.${token}`;
    value = (value as JsonObject)[token];
  }
  return path;
}

const unescaped = (token: string): string => token.replaceAll('~1', '/').replaceAll('~0', '~');

function celFindings(object: JsonObject, old: JsonObject | undefined): Finding[] {
  return celRules.flatMap((rule) => {
    const self = valueAt(object, rule.at);
    if (self === undefined || rule.holds(self, valueAt(old, rule.at))) return [];
    return [{ path: rule.at.join('.') + (rule.fieldPath ?? ''), message: celMessage(rule, self) }];
  });
}

function celMessage({ reason, message }: CelRule, self: unknown): string {
  if (reason === 'FieldValueRequired') return `Required value: ${message}`;
  if (reason === 'FieldValueForbidden') return `Forbidden: ${message}`;
  return isObject(self) ? `Invalid value: ${message}` : `Invalid value: ${rendered(self)}: ${message}`;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce((current, name) => (isObject(current) ? current[name] : undefined), value);
}
