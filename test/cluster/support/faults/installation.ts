/** Faults of the installation and of its gateway: one at a time, since all namespaces feel them. */
import { createServer } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createAuthority, issue } from '../../../../certs/authority.ts';
import { apply, get, kubectl, type Json } from '../kubectl.ts';
import { gatewayNamespace, system } from '../places.ts';
import type { Fault } from './faults.ts';

const mutating = 'mutatingwebhookconfiguration';
const patch = (kind: string, of: string, change: object, ...where: string[]) =>
  kubectl(...where, 'patch', kind, of, `--type=${Array.isArray(change) ? 'json' : 'merge'}`, '-p', JSON.stringify(change));
const scaled = (deployment: string) => kubectl('-n', system, 'scale', `deployment/${deployment}`, '--replicas=0');
const users = (change: object) => patch('service', 'frp-gateway-users', change, '-n', gatewayNamespace);

/** The text of the configuration, and what is put in its place. */
async function configured(change: (text: string) => string): Promise<void> {
  const { spec } = await get(system, 'deployment', 'frp-webhook');
  const name = (spec.template.spec.volumes as Json[]).map(({ configMap }) => configMap?.name as string | undefined).find(Boolean)!;
  const { data } = await get(system, 'configmap', name);
  await patch('configmap', name, { data: { 'config.yaml': change(String(data['config.yaml'])) } }, '-n', system);
}

/** A webhook of somebody else's that takes every init container out of the Pods that it is asked about. */
export async function stripper(): Promise<{ make: () => Promise<unknown>; close: () => void }> {
  const validity = { lifetimeMs: 3_600_000, now: Date.now() };
  const authority = await createAuthority(validity);
  const request = { commonName: 'stripper', ipAddresses: ['10.200.0.1'], usages: ['serverAuth' as const], ...validity };
  const { certPem, keyPem } = await issue(authority, request);
  const server = createServer({ cert: certPem, key: keyPem }, (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { request: asked } = JSON.parse(Buffer.concat(chunks).toString()) as { request: { uid: string; object: Json } };
      const has = asked.object.spec.initContainers !== undefined;
      const taken = Buffer.from(JSON.stringify([{ op: 'remove', path: '/spec/initContainers' }])).toString('base64');
      const response = { uid: asked.uid, allowed: true, ...(has && { patchType: 'JSONPatch', patch: taken }) };
      outgoing.setHeader('content-type', 'application/json');
      outgoing.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response }));
    });
  });
  server.listen(0, '10.200.0.1');
  await once(server, 'listening');
  const make = () =>
    apply({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: 'stripper' },
      webhooks: [
        {
          name: 'stripper.example.com',
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Ignore',
          clientConfig: {
            url: `https://10.200.0.1:${(server.address() as AddressInfo).port}/`,
            caBundle: Buffer.from(authority.bundlePem).toString('base64'),
          },
          namespaceSelector: { matchLabels: { 'frp-k8s-test': 'true' } },
          rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        },
      ],
    });
  return { make, close: () => server.close() };
}

export const installationFaults = (strip: () => Promise<unknown>): readonly Fault[] => [
  { fault: 'webhooks that are scaled to 0', make: () => scaled('frp-webhook'), reason: 'ScaledToZero' },
  { fault: 'a controller that is scaled to 0', make: () => scaled('frp-controller'), reason: 'ScaledToZero' },
  {
    fault: "a tag of the webhooks' image that there is none of",
    make: () => kubectl('-n', system, 'set', 'image', 'deployment/frp-webhook', 'webhook=frp-k8s:typo'),
    reason: 'ImageNotPulled',
  },
  {
    fault: 'a configuration that is no YAML',
    make: () => configured((text) => `${text}\ngateway: {addresses: [\n`),
    reason: 'ConfigurationInvalid',
  },
  {
    fault: 'an address of the gateway that is a slip',
    make: () => configured((text) => text.replace('frp-gateway-1.frp-gateway.', 'frp-gateway-1.frp-gatway.')),
    reason: 'GatewayAddressUnknown',
  },
  {
    fault: 'a failure policy that lets Pods by',
    make: () => patch(mutating, 'frp-k8s', [{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }]),
    reason: 'FailurePolicyWeak',
  },
  {
    fault: 'an objectSelector on a webhook',
    make: () =>
      patch(mutating, 'frp-k8s', [{ op: 'replace', path: '/webhooks/0/objectSelector', value: { matchLabels: { inject: 'yes' } } }]),
    reason: 'WebhookNarrowed',
  },
  { fault: 'mutating webhooks that are gone', make: () => kubectl('delete', mutating, 'frp-k8s'), reason: 'WebhookMissing' },
  {
    fault: "the webhooks' Service with another selector",
    make: () => patch('service', 'frp-webhook', { spec: { selector: { app: 'frp-webhok' } } }, '-n', system),
    reason: 'WebhookNoEndpoints',
  },
  { fault: 'a webhook of somebody else that takes sidecars out', make: strip, reason: 'SidecarRemoved' },
  {
    fault: 'a binding of the controller that was deleted',
    make: () => kubectl('delete', 'clusterrolebinding', 'frp-k8s-controller'),
    reason: 'RightsMissing',
  },
  {
    fault: 'a ClusterRole of the webhooks that was cut down',
    make: () => patch('clusterrole', 'frp-k8s-webhook', { rules: [] }),
    reason: 'RightsMissing',
  },
  {
    fault: 'a CRD that was changed by hand',
    make: () =>
      patch('crd', 'distributedservices.frp.io', [
        { op: 'remove', path: '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/loadBalancing' },
      ]),
    reason: 'CrdDiffers',
  },
  {
    fault: 'a Service for users without its port for https',
    make: () => users([{ op: 'remove', path: '/spec/ports/1' }]),
    reason: 'UsersPortMissing',
  },
  {
    fault: 'a Service for users with another selector',
    make: () => users({ spec: { selector: { app: 'frp-gatway' } } }),
    reason: 'UsersServiceNoEndpoints',
  },
  {
    fault: 'a NetworkPolicy that lets nobody into the gateway',
    make: () =>
      apply({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { namespace: gatewayNamespace, name: 'nobody' },
        spec: { podSelector: {}, policyTypes: ['Ingress'] },
      }),
    reason: 'PolicyBlocksServer',
  },
  {
    fault: 'a replica of the gateway that nobody dials',
    make: () => kubectl('-n', gatewayNamespace, 'scale', 'statefulset/frp-gateway', '--replicas=3'),
    reason: 'ReplicasDiffer',
  },
];
