/** Takes out of a log what redact-text.ts does, and of lines of JSON also what their fields are named for. */
import { redactText, withoutKeys, type Addresses } from './redact-text.ts';
import { redactValue } from './redact-value.ts';

/** Of a line of the access log (model/logs/fields.ts): what users said and who they are goes. */
const ofUsers = new Set(['path', 'query', 'user', 'client', 'requestId', 'traceparent', 'cut']);
const longestLine = 16_384;

export const redactLog = (text: string, addresses: Addresses): string =>
  // A private key has several lines: what spans lines is looked for first.
  withoutKeys(text)
    .split('\n')
    .map((line) => redactLine(line.slice(0, longestLine), addresses))
    .join('\n');

function redactLine(line: string, addresses: Addresses): string {
  // The kubelet's time comes before it.
  const [, stamp = '', rest = line] = /^([0-9T:.Z-]{20,35} )?(\{.*)$/.exec(line) ?? [];
  const value = rest.startsWith('{') ? parsed(rest) : undefined;
  if (value === undefined) return redactText(line, addresses);
  const kept = value.event === 'request' ? Object.fromEntries(Object.entries(value).filter(([key]) => !ofUsers.has(key))) : value;
  return `${stamp}${JSON.stringify(redactValue(kept, addresses))}`;
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
