/** What a diagnosis tries out. Each answers with a value; none of them changes anything. */
import type { KubeObject } from '../kube/types.ts';
import type { Read } from './read.ts';

export interface Dialled {
  /** milliseconds until the connection, or its handshake, was there */
  ms: number;
  /** PEM of what the other end presented, leaf first; none without TLS */
  chain: readonly string[];
}

export interface Answered {
  status: number;
  ms: number;
  body: string;
  /** names in lower case */
  headers: Readonly<Record<string, string>>;
}

export interface BackendAnswer {
  /** name of the gateway's Pod */
  replica: string;
  /** name of the backend's */
  pod: string;
  answer: Read<Answered>;
}

export interface Probes {
  /** how far the API server's clock is ahead of this machine's, milliseconds */
  clock(): Promise<Read<number>>;
  /** whether this account may do it in the whole cluster */
  mayI(verb: string, group: string, resource: string): Promise<Read<boolean>>;
  /** creates a Pod with dryRun=All. @returns it as the API server would store it */
  dryRunPod(pod: KubeObject & { spec: object }): Promise<Read<KubeObject & { spec?: { initContainers?: { name: string }[] } }>>;
  /**
   * GET by the API server's proxy, of a Pod's port. It takes the right to get pods/proxy.
   * @param path with the slash @param how `host` in the place of the API server's name; `scheme`: default http
   */
  getFromPod(
    namespace: string,
    pod: string,
    port: number,
    path: string,
    how?: { host?: string; scheme?: 'https' },
  ): Promise<Read<Answered>>;
  /** a Secret without its content; absent where it is not there */
  secretMetadata(namespace: string, name: string): Promise<Read<KubeObject>>;
  /** the last lines of a container */
  logOf(namespace: string, pod: string, container: string): Promise<Read<string>>;
  /** a TCP connection from where this runs, with a TLS handshake where `servername` is given */
  dial(host: string, port: number, servername?: string): Promise<Read<Dialled>>;
  /**
   * A real request by each backend that is up, at each replica of the gateway; absent: none can be sent so.
   * @param service namespace/name @param most requests @returns answers, and why a replica could not be asked; sentences
   */
  throughBackends?(
    service: string,
    request: { host: string; path: string },
    most: number,
  ): Promise<{ answers: readonly BackendAnswer[]; problems: readonly string[] }>;
  /** addresses of a name, from where this runs */
  resolve(host: string): Promise<Read<readonly string[]>>;
}
