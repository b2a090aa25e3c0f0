/** What cert-manager has: the Certificates that this program made, and what ACME servers want to see of users' hosts. */
import type { KubeClient } from '../../kube/client.ts';
import { OptionalKind } from '../../kube/optional-kind.ts';
import { certificates, challenges, type Certificate, type Challenge, type KubeObject } from '../../kube/types.ts';
import type { Config } from '../../config/schema.ts';
import type { Log } from '../../log.ts';
import { copiesKey } from '../keys.ts';
import { exposuresOf } from '../../model/exposure.ts';
import { label, manager } from '../../model/names.ts';
import { serviceKey, type ServiceStore } from '../../model/store.ts';
import { endsTls, isChallengeAnswer } from '../../model/users-certificate.ts';
import type { DistributedService } from '../../model/types.ts';

export interface CertManagerDeps {
  client: KubeClient;
  log: Log;
  config: Config;
  services: ServiceStore;
  /** looks at the installation's namespace alone */
  ownNamespaceOnly?: boolean | undefined;
  /** told of a service (namespace/name), or of the copies for the gateway, which must be looked at */
  changed: (key: string) => void;
}

/** Of one service: an authority asks for one or two at a time. */
const mostChallenges = 20;
const ended = new Set(['valid', 'invalid', 'expired', 'errored']);

/** Host names of a service that are no wildcards: those that a request can be for. */
const plainHosts = ({ spec }: DistributedService, baseDomain: string | undefined): Set<string> =>
  new Set(
    exposuresOf(spec, baseDomain).flatMap((exposure) => ('host' in exposure && !exposure.host.startsWith('*.') ? [exposure.host] : [])),
  );

export class CertManager {
  readonly certificates: OptionalKind<Certificate>;
  readonly #challenges: OptionalKind<Challenge>;
  readonly #deps: CertManagerDeps;

  constructor(deps: CertManagerDeps) {
    this.#deps = deps;
    const { client, log, config, ownNamespaceOnly, services, changed } = deps;
    const common = { client, log, namespace: ownNamespaceOnly ? config.namespace : undefined };
    const certificateChanged = ({ metadata: { namespace, labels } }: KubeObject) => {
      const service = labels?.[label.service];
      if (service !== undefined) changed(`${namespace}/${service}`);
    };
    const onServed = () => {
      for (const service of services.all()) if (service.spec.expose?.tls?.issuerRef) changed(serviceKey(service));
    };
    const labelSelector = `${label.managedBy}=${manager}`;
    this.certificates = new OptionalKind({ ...common, resource: certificates, labelSelector, changed: certificateChanged, onServed });
    this.#challenges = new OptionalKind<Challenge>({
      ...common,
      resource: challenges,
      changed: (challenge) => this.#challengeChanged(challenge),
      onServed: () => {},
    });
    // Nothing is asked of a cluster where nobody wants a certificate.
    services.subscribe((_, after) => after && endsTls(after.spec) && this.#start());
  }

  #start(): void {
    this.certificates.start();
    this.#challenges.start();
  }

  async close(): Promise<void> {
    await Promise.all([this.certificates.close(), this.#challenges.close()]);
  }

  /** Those of HTTP-01 in the service's namespace that are for its hosts, and have not ended. */
  challengesOf(service: DistributedService): Challenge[] {
    const all = this.#challenges.objects.all(service.metadata.namespace ?? '');
    if (all.length === 0) return [];
    const hosts = plainHosts(service, this.#deps.config.baseDomain);
    return all.filter(
      ({ metadata, spec, status }) =>
        metadata.deletionTimestamp === undefined &&
        spec?.type === 'HTTP-01' &&
        hosts.has(spec.dnsName ?? '') &&
        !ended.has(status?.state ?? ''),
    );
  }

  /** What the gateway answers for the service's hosts: key authorizations by token. */
  answersOf(service: DistributedService): Record<string, string> {
    const answers = this.challengesOf(service)
      .map(({ spec }): [string, string] => [spec?.token ?? '', spec?.key ?? ''])
      .filter(([token, key]) => isChallengeAnswer(token, key))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(answers.slice(0, mostChallenges));
  }

  #challengeChanged({ metadata: { namespace = '' }, spec }: Challenge): void {
    const { services, config, changed } = this.#deps;
    changed(copiesKey);
    for (const name of services.names(namespace)) {
      const service = services.get(namespace, name);
      if (service && plainHosts(service, config.baseDomain).has(spec?.dnsName ?? '')) changed(serviceKey(service));
    }
  }
}
