/** PostgreSQL: servers in Pods, and clients with psql, each in a Pod with an address of its own. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { kubectl, type Json, type Manifest } from './kubectl.ts';
import { deployment, images, pod, podSecurity, template } from './objects.ts';
import { run } from './run.ts';

const rightPassword = 'a-secret-of-the-tests';
const data = '/var/lib/postgresql/data';

/** Prints its Pod's name as cluster_name. A server that was killed by `killServer` stays down until `startServer`. */
const server = `
  set -e
  echo "$PGPASSWORD" >/tmp/password
  initdb -D ${data}/db -U postgres --pwfile=/tmp/password --auth=scram-sha-256 --locale=C --encoding=UTF8
  echo 'host all all all scram-sha-256' >>${data}/db/pg_hba.conf
  while :; do
    [ -e ${data}/down ] || postgres -D ${data}/db -c listen_addresses='*' -c unix_socket_directories=/tmp -c cluster_name="$HOSTNAME" || :
    sleep 1
  done`;

const program = (script: string): Json => ({
  image: images.postgres,
  command: ['sh', '-c', script],
  env: [
    { name: 'PATH', value: '/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin' },
    { name: 'PGUSER', value: 'postgres' },
    { name: 'PGPASSWORD', value: rightPassword },
    { name: 'PGCONNECT_TIMEOUT', value: '10' },
  ],
  ports: [],
  // So a server that is down has its Pod in DNS all the same.
  readinessProbe: undefined,
});
const asPostgres = { securityContext: { ...podSecurity, runAsUser: 999, runAsGroup: 999, fsGroup: 999 }, terminationGracePeriodSeconds: 1 };

export const postgresServers = (namespace: string, name: string, replicas: number): Manifest =>
  deployment({
    namespace,
    name,
    replicas,
    container: { ...program(server), volumeMounts: [{ name: 'data', mountPath: data }] },
    pod: { ...asPostgres, volumes: [{ name: 'data', emptyDir: {} }] },
  });

const passwords = 'host all all all scram-sha-256\nhost replication all all scram-sha-256';

/** The first of the Pods has a database of its own, and the others replicate it. Prints its Pod's name as cluster_name. */
const replicated = (name: string): string => `
  set -e
  echo "$PGPASSWORD" >/tmp/password
  if [ "$HOSTNAME" = ${name}-0 ]; then
    initdb -D ${data}/db -U postgres --pwfile=/tmp/password --auth=scram-sha-256 --locale=C --encoding=UTF8
    echo '${passwords}' >>${data}/db/pg_hba.conf
  else
    until pg_basebackup -D ${data}/db -R -X stream -c fast -h ${name}-0.${name}; do sleep 1; done
  fi
  while :; do
    [ -e ${data}/down ] || postgres -D ${data}/db -c listen_addresses='*' -c unix_socket_directories=/tmp -c cluster_name="$HOSTNAME" || :
    sleep 1
  done`;

/** As docs/guide/databases.md has it: files that are there where the database has the role, over HTTP. */
const tellsRole = `
  mkdir -p /tmp/role
  /bin/busybox httpd -p 8008 -h /tmp/role
  while :; do
    case $(psql -h localhost -d postgres -AtqX -c 'select pg_is_in_recovery()' 2>/dev/null) in
      f) rm -f /tmp/role/replica; : >/tmp/role/primary;;
      t) rm -f /tmp/role/primary; : >/tmp/role/replica;;
      *) rm -f /tmp/role/primary /tmp/role/replica;;
    esac
    sleep 1
  done`;

/** A primary, NAME-0, and a replica, NAME-1, in the group of their name. */
export function postgresReplicated(namespace: string, name: string): Manifest[] {
  const { metadata, spec } = template({
    namespace,
    name,
    frp: { group: name, port: '5432' },
    container: { ...program(replicated(name)), volumeMounts: [{ name: 'data', mountPath: data }] },
    pod: { ...asPostgres, volumes: [{ name: 'data', emptyDir: {} }] },
  });
  const containers = spec.containers as Json[];
  containers.push({ ...program(tellsRole), name: 'role', securityContext: containers[0]!.securityContext });
  const selector = { app: name };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { selector, clusterIP: 'None', publishNotReadyAddresses: true, ports: [{ port: 5432 }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name, namespace },
      spec: {
        serviceName: name,
        replicas: 2,
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: selector },
        template: { metadata, spec },
      },
    },
  ];
}

/** Rows of a statement, asked of a server in its own Pod. */
export const askServer = (namespace: string, name: string, sql: string): Promise<string> =>
  kubectl('-n', namespace, 'exec', name, '-c', 'app', '--', 'psql', '-h', 'localhost', '-d', 'postgres', '-AtqX', '-c', sql);

export const postgresClient = (namespace: string, name: string): Manifest =>
  pod({ namespace, name, container: program('sleep 1000000'), pod: asPostgres });

/** Ends a server with no chance to tell its clients; its Pod goes on. */
export const killServer = (namespace: string, name: string): Promise<string> =>
  kubectl('-n', namespace, 'exec', name, '--', 'sh', '-c', `: >${data}/down; read pid <${data}/db/postmaster.pid; kill -9 "$pid"`);

export const startServer = (namespace: string, name: string): Promise<string> =>
  kubectl('-n', namespace, 'exec', name, '--', 'rm', `${data}/down`);

/** A Pod of `postgresClient`, and what it connects to; with the right password if no other is given. */
export interface From {
  namespace: string;
  name: string;
  host: string;
  password?: string;
}

const inClient = ({ namespace, name }: From, ...command: string[]): string[] => ['-n', namespace, 'exec', '-i', name, '--', ...command];
const psql = ({ host, password }: From): string[] => [
  'psql',
  ...['-d', `host=${host}${password === undefined ? '' : ` password=${password}`}`],
  ...['-AtqX', '-v', 'ON_ERROR_STOP=1'],
];

/** Rows of a statement, on a connection of its own. @throws Error with what psql said */
export async function query(from: From, sql: string, input = ''): Promise<string> {
  const { code, stdout, stderr } = await run('kubectl', inClient(from, ...psql(from), '-c', sql), { input });
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** A connection that stays open. */
export class Session {
  readonly #psql: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #stderr = '';

  constructor(from: From) {
    this.#psql = spawn('kubectl', inClient(from, ...psql(from)));
    this.#psql.stderr.on('data', (text: Buffer) => (this.#stderr += text.toString()));
    this.#psql.stdin.on('error', () => undefined); // it has ended; the next answer tells
    this.#lines = createInterface(this.#psql.stdout)[Symbol.asyncIterator]();
  }

  /** Rows that statements give, each of them ending in a semicolon. @throws Error where the connection is lost, or one fails */
  async ask(statements: string): Promise<string[]> {
    this.#psql.stdin.write(`${statements}\n\\echo answered\n`);
    const rows: string[] = [];
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`psql ended: ${this.#stderr}`);
      if (value === 'answered') return rows;
      rows.push(value);
    }
  }

  async end(): Promise<void> {
    const ended = once(this.#psql, 'close');
    this.#psql.stdin.end();
    if (this.#psql.exitCode === null) await ended;
  }
}
