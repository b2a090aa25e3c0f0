/** Configurations of frpc in ConfigMaps and Secrets, and how they are told from other texts. */
import { isObject, type JsonObject } from '../model/json.ts';

/** What only frpc's configuration has: TOML, JSON and YAML, and INI with or without `[common]`. */
const client =
  /^[ \t]*(\[\[(proxies|visitors)\]\]|server_addr[ \t]*[=:]|local_port[ \t]*[=:])|(^[ \t]*["']?|[{,][ \t]*")(proxies|visitors|serverAddr)["']?[ \t]*[=:]/m;
const server =
  /(^[ \t]*["']?|[{,][ \t]*")(bindPort|bind_port|vhostHTTPPort|vhost_http_port|vhostHTTPSPort|vhost_https_port)["']?[ \t]*[=:]/m;

export const isOfClient = (text: string): boolean => client.test(text);

/** Whether a text is the configuration of frps alone. */
export const isOfServer = (text: string): boolean => server.test(text) && !client.test(text);

/** Of each entry that holds a configuration of frpc or frps: its key, and the text. */
export function heldTexts({ kind, data, stringData, binaryData }: JsonObject): [key: string, text: string][] {
  if (kind !== 'ConfigMap' && kind !== 'Secret') return [];
  const texts = { ...(kind === 'Secret' ? decoded(data) : textsOf(data)), ...decoded(binaryData), ...textsOf(stringData) };
  return Object.entries(texts).filter(([, text]) => isOfClient(text) || isOfServer(text));
}

const textsOf = (entries: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(isObject(entries) ? entries : {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );

const decoded = (entries: unknown): Record<string, string> =>
  Object.fromEntries(Object.entries(textsOf(entries)).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]));
