/** `frp-k8s migrate`: DistributedServices from frpc's configuration files, and from older shapes of DistributedService. */
import { isIP } from 'node:net';
import { parseEnv } from 'node:util';
import { UserError } from '../errors.ts';
import { readText } from '../manifests/read.ts';
import { load, type Loaded } from '../migrate/load.ts';
import { migrate } from '../migrate/migrate.ts';
import { configText, documentsOf, isLossy, summaryOf } from '../migrate/write.ts';
import { parseOptions } from './options.ts';

export const help = `frp-k8s migrate: DistributedServices from frpc's configuration files

usage: frp-k8s migrate -f FILE|DIR|-... [-n NAMESPACE] [--base-domain DOMAIN] [--local-host ADDRESS] [--env-file FILE] [-o yaml|config]

Reads TOML, YAML, JSON and INI, with includes, start, templates and ranges; ConfigMaps and Secrets that hold such files;
and DistributedServices of older shapes (frp.io/v1, and v1beta1 whose discovery is a word). Writes DistributedServices that
pass validate, and as comments the keys of the installation's configuration, the annotations that Pods get, and all that
has no counterpart, with what to do about it. No secret of the input is written.

  -f, --filename FILE     file, directory or - for standard input; may be repeated
  -n, --namespace NS      namespace of the services (default: none is written)
      --base-domain NAME  subDomainHost of frps, which subdomains are below
      --local-host ADDR   where Pods reach the machine that frpc ran on: what it served itself becomes endpoints there
      --env-file FILE     variables for templates, NAME=VALUE a line, before those of the environment
  -o, --output FORMAT     yaml (default), or config: the installation's configuration alone

What is lost is on stderr too. Exit code 0; 1 where something is lost until you act; 2 where a file cannot be read, with
nothing on stdout.

examples:
  frp-k8s migrate -f frpc.toml > services.yaml && frp-k8s validate -f services.yaml
  frp-k8s migrate -f /etc/frp/ -n home --local-host 192.168.1.10 --base-domain example.com
  frp-k8s migrate -f frpc.ini -o config > config.yaml
`;

export async function run(args: string[]): Promise<number> {
  const options = parseOptions('migrate', args, {
    filename: { type: 'string', short: 'f', multiple: true },
    namespace: { type: 'string', short: 'n' },
    'base-domain': { type: 'string' },
    'local-host': { type: 'string' },
    'env-file': { type: 'string' },
    output: { type: 'string', short: 'o', default: 'yaml' },
  });
  if (!options.filename?.length) throw new UserError('migrate: -f FILE is missing (- reads standard input); see frp-k8s migrate --help');
  if (!['yaml', 'config'].includes(options.output)) throw new UserError(`migrate: -o ${options.output}: must be one of: yaml, config`);
  const baseDomain = options['base-domain'];
  const localHost = options['local-host'];
  if (localHost !== undefined && isIP(localHost) === 0 && !/^[A-Za-z0-9._-]{1,253}$/.test(localHost))
    throw new UserError(`migrate: --local-host ${localHost} must be a name or an IP address`);
  let loaded: Loaded;
  try {
    const named = options['env-file'] === undefined ? {} : parseEnv(readText(options['env-file']));
    loaded = load(options.filename, { variables: { ...process.env, ...named } });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`frp-k8s: migrate: ${error.message}\n`);
    return 2;
  }
  const migration = migrate(loaded, { namespace: options.namespace, baseDomain, localHost });
  process.stdout.write(options.output === 'config' ? configText(migration) : documentsOf(migration));
  process.stderr.write(summaryOf(migration));
  return isLossy(migration) ? 1 : 0;
}
