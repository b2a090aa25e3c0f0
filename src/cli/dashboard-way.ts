/** The way from here to the controller's page: by the API server, to the replica that leads, with a token of the caller's. */
import type { RequestOptions } from 'node:https';
import { loadConfig } from '../config/load.ts';
import { readConfig } from '../diagnose/take.ts';
import { unread, valueOf } from '../diagnose/read.ts';
import { podResource, type Pod } from '../diagnose/shapes.ts';
import { UserError } from '../errors.ts';
import { portForward } from '../explain/port-forward.ts';
import { loadAccess } from '../kube/access.ts';
import { KubeClient } from '../kube/client.ts';
import { leases, type Lease } from '../kube/types.ts';
import { controllerName, leaseName } from '../model/names.ts';
import type { Way } from './dashboard.ts';

export interface WayOptions {
  /** NAMESPACE/NAME of the ServiceAccount whose token is taken; absent: the caller's own */
  account?: string | undefined;
  installation?: string | undefined;
  config?: string | undefined;
  kubeconfig?: string | undefined;
  context?: string | undefined;
}

/** Seconds that a token of a ServiceAccount is good for; another one is asked for after half of them. */
const tokenSeconds = 3600;

/** @throws UserError where there is no page, or nobody to be there as */
export async function controllerWay(options: WayOptions): Promise<Way> {
  const client = new KubeClient(loadAccess(options));
  const config =
    options.config === undefined ? await readConfig(client, options.installation) : { ok: loadConfig(options.config, process.env) };
  const known = valueOf(config);
  if (!known) throw new UserError(`dashboard: the configuration of the installation is not known: ${unread(config) ?? 'it is not there'}`);
  if (!known.controller.page)
    throw new UserError(
      'dashboard: the controller serves no page: write "controller: {page: {}}" into its configuration and give it the rights of manifests/install/overlays/page (docs/guide/dashboard.md)',
    );
  const { port } = known.controller.page;
  const namespace = options.installation ?? known.namespace;
  const headers = await tokenHeaders(client, options.account);
  return {
    connect: async () => portForward(client.access.kubeConfig, namespace, await controllerPod(client, namespace), port),
    headers,
    close: () => client.close(),
  };
}

/** The one that leads, which has the links; else any that runs. @throws Error */
async function controllerPod(client: KubeClient, namespace: string): Promise<string> {
  const [{ items }, lease] = await Promise.all([
    client.list<Pod>(podResource, { namespace, labelSelector: `app=${controllerName}` }),
    client.get<Lease>(leases, namespace, leaseName).catch(() => undefined),
  ]);
  const running = items.filter(({ status, metadata }) => status?.phase === 'Running' && metadata.deletionTimestamp === undefined);
  const leader = lease?.spec?.holderIdentity ?? '';
  const found = running.find(({ metadata: { name } }) => leader.startsWith(`${name}_`)) ?? running[0];
  if (!found) throw new Error(`no Pod of Deployment ${namespace}/${controllerName} runs`);
  return found.metadata.name;
}

/** @throws UserError where the kubeconfig has no token, and no ServiceAccount is named */
async function tokenHeaders(client: KubeClient, account: string | undefined): Promise<Way['headers']> {
  if (account !== undefined) return accountHeaders(client, account);
  const own = async () => {
    const options: RequestOptions = { headers: {} };
    await client.access.kubeConfig.applyToHTTPSOptions(options);
    const { Authorization, authorization = Authorization } = options.headers as Record<string, string | undefined>;
    return authorization;
  };
  if (!/^Bearer /i.test((await own()) ?? ''))
    throw new UserError(
      'dashboard: this kubeconfig has no token (it may have a client certificate): name a ServiceAccount that may list distributedservices, with --service-account NAMESPACE/NAME',
    );
  return async () => ({ authorization: (await own()) ?? '' });
}

function accountHeaders(client: KubeClient, account: string): Way['headers'] {
  const [, namespace, name] = /^([a-z0-9][-a-z0-9.]{0,252})\/([a-z0-9][-a-z0-9.]{0,252})$/.exec(account) ?? [];
  if (namespace === undefined || name === undefined)
    throw new UserError(`dashboard: --service-account ${account} must be NAMESPACE/NAME, such as frp-system/viewer`);
  let taken: { at: number; token: Promise<string> } | undefined;
  return async () => {
    if (!taken || Date.now() - taken.at > tokenSeconds * 500)
      taken = { at: Date.now(), token: client.requestToken(namespace, name, tokenSeconds) };
    try {
      return { authorization: `Bearer ${await taken.token}` };
    } catch (error) {
      taken = undefined;
      throw error;
    }
  };
}
