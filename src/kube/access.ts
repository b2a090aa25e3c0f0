/**
 * Access to the API server: credentials and watches by @kubernetes/client-node, requests over one keep-alive agent
 * (client.ts), collections kept in memory (reflector.ts), and what the installation shares (authority-secret.ts, ca-bundle.ts).
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
// Not the package's index: its generated models cost 300 ms and 80 MB.
import { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { UserError } from '../errors.ts';

const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface Access {
  kubeConfig: KubeConfig;
  server: string;
  /** of the Pod's service account or the context */
  namespace: string | undefined;
}

/** What a command was told on its line. */
export interface AccessOptions {
  /** a file */
  kubeconfig?: string | undefined;
  /** of the kubeconfig, in place of its current one */
  context?: string | undefined;
  env?: NodeJS.ProcessEnv;
  home?: string;
}

/**
 * The kubeconfig that is named, otherwise KUBECONFIG where it is set, otherwise the Pod's service account, otherwise
 * ~/.kube/config. client-node re-reads the service account's token every minute: the kubelet rotates it hourly.
 * @throws UserError where there is none of them, or it cannot be used
 */
export function loadAccess({ kubeconfig, context, env = process.env, home = homedir() }: AccessOptions = {}): Access {
  const kubeConfig = new KubeConfig();
  const from = kubeconfig === undefined ? source(env, home) : [kubeconfig];
  try {
    if (from === 'cluster') kubeConfig.loadFromCluster();
    else loadFiles(kubeConfig, from);
  } catch (error) {
    throw new UserError(`the kubeconfig ${String(from)} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  if (context !== undefined) {
    if (!kubeConfig.getContextObject(context)) throw new UserError(`the kubeconfig ${String(from)} has no context ${context}`);
    kubeConfig.setCurrentContext(context);
  }
  const cluster = kubeConfig.getCurrentCluster();
  if (!cluster) throw new UserError(`the kubeconfig ${String(from)} has no current context; set one with: kubectl config use-context NAME`);
  const namespace = from === 'cluster' ? read(join(serviceAccount, 'namespace')) : undefined;
  return { kubeConfig, server: cluster.server, namespace: namespace ?? kubeConfig.getContextObject(kubeConfig.currentContext)?.namespace };
}

/** @returns files of a kubeconfig, or `cluster` */
function source({ KUBECONFIG, KUBERNETES_SERVICE_HOST }: NodeJS.ProcessEnv, home: string): 'cluster' | string[] {
  if (KUBECONFIG) return KUBECONFIG.split(':').filter((file) => file !== '');
  if (KUBERNETES_SERVICE_HOST && existsSync(join(serviceAccount, 'token'))) return 'cluster';
  const own = join(home, '.kube', 'config');
  if (existsSync(own)) return [own];
  throw new UserError('no access to a cluster: run it in a Pod with a service account, or set KUBECONFIG to a kubeconfig file');
}

function loadFiles(kubeConfig: KubeConfig, files: string[]): void {
  files.forEach((file, index) => {
    const next = index === 0 ? kubeConfig : new KubeConfig();
    next.loadFromFile(file);
    if (index > 0) kubeConfig.mergeConfig(next);
  });
}

function read(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
}
