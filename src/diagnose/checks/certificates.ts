/** Whether the installation's authorities and certificates are there, belong together, and last. */
import { chainsTo, parseable } from '../../../certs/inspect.ts';
import { gatewayNames } from '../../model/gateway.ts';
import { authoritySecretName, gatewayTlsSecretName, serverSecretName, webhookAuthoritySecretName } from '../../model/names.ts';
import type { Check, Said } from '../finding.ts';
import { itemsOf, valueOf, type Read } from '../read.ts';
import { look, warning, wrong } from '../say.ts';
import { secretRemedy } from '../secret-remedy.ts';
import { commandIn, describeIt, objectOf } from '../service-words.ts';
import type { PublicSecret } from '../shapes.ts';
import type { Place, Snapshot } from '../snapshot.ts';

const day = 86_400_000;
const week = 7 * day;
const mostTried = 6;
const none: Read<PublicSecret> = { absent: 'Secret' };

const secretOf = (place: Place, name: string): Read<PublicSecret> => place.secrets.get(name) ?? none;
const secretObject = (place: Place, name: string) => ({ kind: 'Secret', namespace: place.name, name });
const iso = (time: number) => new Date(time).toISOString();

/** A week, and of a short life its last quarter. */
const near = (from: number, to: number): number => Math.min(week, (to - from) / 4);

const logs = ({ installation }: Snapshot) => `kubectl -n ${installation.name} logs deployment/frp-controller`;

const authority = (id: string, title: string, name: string, rotate: string, cost: string): Check => ({
  id,
  category: 'certificates',
  title,
  after: ['namespace'],
  run: ({ snapshot: { installation, at } }) => {
    const object = secretObject(installation, name);
    return look(
      secretOf(installation, name),
      ({ certificates, keys }): Said[] => {
        const found = parseable(certificates['tls.crt'] ?? '')[0];
        if (!found || !keys.includes('tls.key'))
          return [
            wrong(
              'AuthorityUnusable',
              object,
              `it holds no authority in tls.crt and tls.key${cost}`,
              `kubectl -n ${installation.name} get secret ${name} -o yaml; restore it from a backup`,
            ),
          ];
        const [from, to] = [Date.parse(found.validFrom), Date.parse(found.validTo)];
        if (to <= at) return [wrong('AuthorityExpired', object, `it ended at ${iso(to)}`, rotate)];
        if (to - at <= near(from, to)) return [warning('AuthorityExpiresSoon', object, `it ends at ${iso(to)}`, rotate)];
        return [];
      },
      () => [
        wrong(
          'AuthorityMissing',
          object,
          `it is not there${cost}`,
          `kubectl -n ${installation.name} rollout restart deployment/frp-controller deployment/frp-webhook`,
        ),
      ],
    );
  },
});

const served = (
  id: string,
  title: string,
  name: string,
  of: (snapshot: Snapshot) => Place,
  isWanted: (snapshot: Snapshot) => boolean,
): Check => ({
  id,
  category: 'certificates',
  title,
  after: ['namespace', 'controller-pods', 'authority'],
  applies: isWanted,
  run: ({ snapshot }) => {
    const place = of(snapshot);
    const object = secretObject(place, name);
    return look(
      secretOf(place, name),
      ({ certificates }): Said[] => {
        const remedy = `kubectl -n ${place.name} delete secret ${name}`;
        const leaf = parseable(certificates['tls.crt'] ?? '')[0];
        if (!leaf) return [wrong('CertificateUnusable', object, 'its tls.crt is no certificate', remedy)];
        const [from, to] = [Date.parse(leaf.validFrom), Date.parse(leaf.validTo)];
        if (to <= snapshot.at)
          return [
            wrong(
              'CertificateExpired',
              object,
              `its certificate ended at ${iso(to)}, and the controller has not renewed it`,
              logs(snapshot),
            ),
          ];
        // The controller renews long before.
        if (to - snapshot.at <= near(from, to) / 4)
          return [
            warning(
              'CertificateExpiresSoon',
              object,
              `its certificate ends at ${iso(to)}, and the controller has not renewed it`,
              logs(snapshot),
            ),
          ];
        const bundle = valueOf(secretOf(snapshot.installation, authoritySecretName))?.certificates['tls.crt'];
        if (bundle !== undefined && !chainsTo(certificates['tls.crt']!, bundle))
          return [
            wrong(
              'AuthorityForeign',
              object,
              `its certificate is not of the authority in Secret ${snapshot.installation.name}/${authoritySecretName}`,
              remedy,
            ),
          ];
        return [];
      },
      () => [wrong('ServerCertificateMissing', object, 'it is not there', logs(snapshot))],
    );
  },
});

export const isGatewayHere = ({ config, gateway }: Snapshot): boolean =>
  (valueOf(config)?.gateway.addresses.length ?? 0) > 0 && 'ok' in gateway.namespace;

export const hasPlainServer = ({ installation }: Snapshot): boolean =>
  valueOf(installation.workloads)?.some(({ metadata }) => metadata.name === 'frp-server') ?? false;

export const certificateChecks: readonly Check[] = [
  authority(
    'authority',
    'the authority of the tunnels is there and lasts',
    authoritySecretName,
    'frp-k8s rotate ca --accept-outage',
    ', which every tunnel trusts',
  ),
  authority(
    'webhook-authority',
    "the authority of the webhooks' certificate is there and lasts",
    webhookAuthoritySecretName,
    'frp-k8s rotate webhook-ca',
    '',
  ),
  served(
    'server-certificate',
    "the frp server's certificate is good",
    serverSecretName,
    ({ installation }) => installation,
    hasPlainServer,
  ),
  served(
    'gateway-certificate',
    "the gateway's certificate is good",
    gatewayTlsSecretName,
    ({ installation }) => installation,
    isGatewayHere,
  ),
  {
    id: 'service-certificates',
    category: 'certificates',
    title: 'every service has its certificates',
    after: ['namespace', 'crd', 'controller-pods'],
    run: async ({ snapshot: { services }, probes }) => {
      const unread = look(services, () => []);
      const said: Said[] = [];
      for (const service of itemsOf(services)) {
        const condition = service.status?.conditions?.find(({ type }) => type === 'CertificatesReady');
        const { status, reason = '', message = '' } = condition ?? {};
        if (status !== 'False' && reason !== 'CertificateExpiresSoon') continue;
        // Of many the first are looked at closely.
        const known = await secretRemedy(service, reason, message, said.length < mostTried ? probes : undefined);
        const say = status === 'False' ? wrong : warning;
        said.push(say(reason || 'CertificatesReady', objectOf(service), message, known ?? commandIn(message) ?? describeIt(service)));
      }
      return [...unread, ...said];
    },
  },
];

export const gatewayNamesCheck: Check = {
  id: 'gateway-names',
  category: 'certificates',
  title: "the gateway's certificate has every name that sidecars dial",
  // A name that leads nowhere is to be corrected, and not to be certified.
  after: ['namespace', 'configuration', 'gateway-certificate', 'addresses'],
  applies: isGatewayHere,
  run: ({ snapshot }) => {
    const { config, installation } = snapshot;
    return look(config, (known) =>
      look(secretOf(installation, gatewayTlsSecretName), ({ certificates }) => {
        const leaf = parseable(certificates['tls.crt'] ?? '')[0];
        const lacking = gatewayNames(known).filter((host) => leaf && leaf.checkHost(host) === undefined);
        if (lacking.length === 0) return [];
        return [
          wrong(
            'NameNotCovered',
            secretObject(installation, gatewayTlsSecretName),
            `its certificate lacks ${lacking.join(', ')} of gateway.addresses`,
            logs(snapshot),
          ),
        ];
      }),
    );
  },
};
