/** The rules of what connectors may dial, with the API server's addresses as the cluster has them now. */
import type { Clock } from '../../../certs/clock.ts';
import type { Config } from '../../config/schema.ts';
import type { KubeClient } from '../../kube/client.ts';
import { ignoreNotFound } from '../../kube/errors.ts';
import { endpointSlices, services, type KubeObject, type Resource } from '../../kube/types.ts';
import type { AddressRules } from '../../net/addresses.ts';

const freshMs = 60_000;

export class AddressGuard {
  readonly #client: KubeClient;
  readonly #config: Config;
  readonly #clock: Clock;
  #rules: Promise<AddressRules> | undefined;
  #until = 0;

  constructor(client: KubeClient, config: Config, clock: Clock) {
    this.#client = client;
    this.#config = config;
    this.#clock = clock;
  }

  /** At most a minute old. @throws KubeError: without knowing the API server nothing may be dialled */
  rules(): Promise<AddressRules> {
    if (this.#rules && this.#clock.now() < this.#until) return this.#rules;
    this.#until = this.#clock.now() + freshMs;
    this.#rules = this.#read();
    this.#rules.catch(() => (this.#until = 0));
    return this.#rules;
  }

  async #read(): Promise<AddressRules> {
    const { allowAddresses: allow, apiServer } = this.#config.connectors;
    const service = await this.#kubernetes(services);
    const slice = await this.#kubernetes(endpointSlices);
    const found = [...(service?.spec?.clusterIPs ?? []), ...(slice?.endpoints ?? []).flatMap(({ addresses }) => addresses)];
    return { allow, apiServer: [...(apiServer === undefined ? [] : [apiServer]), ...found] };
  }

  /** The API servers make and keep both themselves (kube-apiserver, pkg/controlplane/reconcilers). */
  #kubernetes<T extends KubeObject>(resource: Resource<T>): Promise<T | undefined> {
    return this.#client.get(resource, 'default', 'kubernetes').catch(ignoreNotFound);
  }
}
