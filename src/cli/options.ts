/** Command-line options, by node:util parseArgs, with errors that name the option and where help is. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { milliseconds } from '../config/schema.ts';
import { UserError } from '../errors.ts';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<typeof parseArgs<{ args: string[]; options: T; strict: true; allowPositionals: true }>>;

/** @throws UserError for an unknown option, a missing value or a stray argument */
export function parseOptions<T extends Options>(command: string, args: string[], options: T): Parsed<T>['values'];
export function parseOptions<T extends Options>(command: string, args: string[], options: T, arguments_: 'positionals'): Parsed<T>;
export function parseOptions<T extends Options>(command: string, args: string[], options: T, arguments_?: 'positionals') {
  try {
    const parsed = parseArgs({ args, options, strict: true, allowPositionals: arguments_ !== undefined });
    return arguments_ === undefined ? parsed.values : parsed;
  } catch (error) {
    const message = (error as Error).message.replace(/\. To specify a positional.*$/s, '');
    throw new UserError(`${command}: ${message}; see frp-k8s ${command} --help`);
  }
}

/** Milliseconds of a duration such as 30s or 720h. @throws UserError */
export function durationOption(command: string, option: string, text: string): number {
  if (/^[0-9]{1,9}(ms|s|m|h|d)$/.test(text)) return milliseconds(text);
  throw new UserError(`${command}: --${option} ${text} must be a duration such as 30s, 10m, 720h or 30d`);
}

/** @returns a port @throws UserError that names the option */
export function portOption(command: string, option: string, text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new UserError(`${command}: --${option} ${text} must be a port, 1 to 65535`);
  return port;
}
