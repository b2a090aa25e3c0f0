/**
 * What the API server checks of an object's metadata, in its own words.
 * Source: apimachinery v0.36, pkg/api/validation/objectmeta.go and pkg/api/validate/content.
 */
import { type Finding, quoted } from './findings.ts';
import { isObject } from './json.ts';

const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const keyName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

/** As the API server writes it: without its anchors. */
const written = ({ source }: RegExp): string => source.slice(1, -1);
const bytes = (value: string): number => Buffer.byteLength(value);
const tooLong = (limit: number): string => `must be no more than ${limit} bytes`;

const alphanumeric = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const keyForm = `${alphanumeric} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${written(keyName)}')`;
const subdomainForm =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an " +
  `alphanumeric character (e.g. 'example.com', regex used for validation is '${written(subdomain)}')`;
const labelValueForm =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " +
  `alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${written(keyName)})?')`;

/** Findings of the schema layer about `metadata`. */
export function metadataFindings(metadata: unknown): Finding[] {
  const { name, generateName, labels, annotations } = isObject(metadata) ? metadata : {};
  const findings: Finding[] = [];
  const invalid = (field: string, value: string, problems: string[]) =>
    findings.push(...problems.map((problem) => ({ path: `metadata.${field}`, message: `Invalid value: ${quoted(value)}: ${problem}` })));
  if (isText(name)) invalid('name', name, nameProblems(name));
  else if (!isText(generateName)) {
    findings.push({ path: 'metadata.name', message: 'Required value: name or generateName is required' });
  }
  for (const [key, value] of entries(labels)) {
    invalid('labels', key, keyProblems(key));
    invalid('labels', value, labelValueProblems(value));
  }
  for (const [key] of entries(annotations)) invalid('annotations', key, keyProblems(key.toLowerCase()));
  return findings;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const entries = (map: unknown): [string, string][] =>
  Object.entries(isObject(map) ? map : {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string');

function nameProblems(value: string): string[] {
  return [...(bytes(value) > 253 ? ['must be no more than 253 characters'] : []), ...(subdomain.test(value) ? [] : [subdomainForm])];
}

function keyProblems(key: string): string[] {
  const parts = key.split('/');
  if (parts.length > 2) {
    return [`a valid label key ${keyForm} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const name = parts.pop()!;
  const prefix = parts[0];
  const problems: string[] = [];
  if (prefix === '') problems.push('prefix part must be non-empty');
  else if (prefix !== undefined) problems.push(...nameProblems(prefix).map((problem) => `prefix part ${problem}`));
  if (name === '') problems.push('name part must be non-empty');
  else if (bytes(name) > 63) problems.push(`name part ${tooLong(63)}`);
  if (!keyName.test(name)) problems.push(`name part ${keyForm}`);
  return problems;
}

function labelValueProblems(value: string): string[] {
  return [...(bytes(value) > 63 ? [tooLong(63)] : []), ...(value === '' || keyName.test(value) ? [] : [labelValueForm])];
}
