/** Objects of manifests explained, before anything is applied: what the webhooks would decide about them. */
import { validateOffline } from '../../webhooks/distributedservices/offline.ts';
import type { Config } from '../config/schema.ts';
import { Claims } from '../model/claims.ts';
import { namespaceOf } from '../manifests/read.ts';
import { defaulted } from '../model/defaults.ts';
import { describeExposure, exposuresOf } from '../model/exposure.ts';
import { describeFinding } from '../model/findings.ts';
import { usesGateway } from '../model/gateway.ts';
import { serviceKey, ServiceStore } from '../model/store.ts';
import type { DistributedService } from '../model/types.ts';
import { bad, good, info, warn, type Line } from './explanation.ts';

/** What the webhook would say of services, in the order of the input: of two with one host, the second is told. */
export class ManifestServices {
  readonly #store = new ServiceStore();
  readonly #claims: Claims;
  readonly #config: Config;
  readonly #namespace: string;

  /** @param namespace of objects that name none */
  constructor(config: Config, namespace: string) {
    this.#config = config;
    this.#namespace = namespace;
    this.#claims = new Claims(this.#store, config);
  }

  linesOf(object: Record<string, unknown>): Line[] {
    const { findings, warnings } = validateOffline(object, { config: this.#config, claims: this.#claims, namespace: this.#namespace });
    const notes = warnings.map((text) => warn(text));
    if (findings.length > 0) return [...findings.map((finding) => bad(describeFinding(finding))), ...notes];
    const service = defaulted(object) as unknown as DistributedService;
    const stored = { ...service, metadata: { ...service.metadata, namespace: namespaceOf(object, this.#namespace) } };
    this.#store.set(stored);
    const { spec } = stored;
    const places = exposuresOf(spec, this.#config.baseDomain).map(describeExposure);
    const by = usesGateway(spec, this.#config) ? 'the gateway' : 'a plain frp server';
    return [good(`${serviceKey(stored)} can be served by ${by}`), ...places.map((place) => info(`at ${place}`)), ...notes];
  }
}
