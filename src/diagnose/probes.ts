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

export interface Probes {
  /** creates a Pod with dryRun=All. @returns it as the API server would store it */
  dryRunPod(pod: KubeObject & { spec: object }): Promise<Read<KubeObject & { spec?: { initContainers?: { name: string }[] } }>>;
  /** GET by the API server's proxy, of a Pod's port. @param path with the slash */
  getFromPod(namespace: string, pod: string, port: number, path: string, scheme?: 'http' | 'https'): Promise<Read<Answered>>;
  /** a TCP connection from where this runs, with a TLS handshake where `servername` is given */
  dial(host: string, port: number, servername?: string): Promise<Read<Dialled>>;
  /** addresses of a name, from where this runs */
  resolve(host: string): Promise<Read<readonly string[]>>;
}
