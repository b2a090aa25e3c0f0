/** Command-line options, by node:util parseArgs, with errors that name the option and where help is. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
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
