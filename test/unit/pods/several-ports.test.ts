/** Pods of a service with several ports: a proxy for each port, in one sidecar. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configSchema, type Config } from '../../../src/config/schema.ts';
import { podFactsOf } from '../../../src/frp/pod-facts.ts';
import { gatewayAgreement } from '../../../src/frp/parts.ts';
import { membershipsIn } from '../../../src/frp/proxy-names.ts';
import type { DistributedServiceSpec } from '../../../src/model/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import { service, storeOf } from '../../support/services.ts';

type Ports = NonNullable<DistributedServiceSpec['expose']>['ports'];
const ports: Ports = [
  { name: 'smtp', port: 2525, backendPort: 25 },
  { name: 'imap', port: 1143, backendPortName: 'imap' },
  { name: 'sieve', port: 4190 },
];
const plain = configSchema.parse({});
const gateway = configSchema.parse({ gateway: { addresses: ['gw-0', 'gw-1'] } });
const containerPorts = [
  { name: 'imap', containerPort: 53, protocol: 'UDP' },
  { name: 'imap', containerPort: 143 },
];
const podOf = (annotations: Record<string, string> = {}) => ({
  metadata: { annotations: { 'frp.io/group': 'mail', ...annotations } },
  spec: { containers: [{ name: 'app', image: 'mail:1', ports: containerPorts }] },
});
const decide = (config: Config, given: Ports = ports, pod = podOf(), serviceType: 'tcp' | 'udp' = 'tcp') =>
  decidePod(pod, {
    namespace: 'shop',
    services: storeOf(service('mail', { serviceType, expose: { type: 'port', ports: given } })),
    config,
    selectorMode: false,
  });

interface Proxy {
  name: string;
  type: string;
  localPort: number;
  remotePort?: number;
  metadatas?: Record<string, string>;
  loadBalancer?: { group: string };
}
function textsOf(config: Config, ...rest: [Ports?]): string[] {
  const { patch = [] } = decide(config, ...rest);
  const annotations = patch.flatMap((operation) => ('value' in operation ? Object.entries(operation.value as object) : []));
  const texts = patch.flatMap((operation) =>
    /frpc(-1)?\.json$/.test(operation.path) && 'value' in operation ? [operation.value as string] : [],
  );
  return [...texts, ...annotations.flatMap(([key, value]) => (/^frp\.io\/frpc(-1)?\.json$/.test(key) ? [value as string] : []))];
}
const proxiesOf = (text: string): Proxy[] => (JSON.parse(text) as { proxies: Proxy[] }).proxies;

describe('a Pod of a service with several ports', () => {
  it('has a proxy and a group for each at a plain frp server, which lead to the backend’s ports', () => {
    const proxies = proxiesOf(textsOf(plain)[0]!);
    assert.deepEqual(
      proxies.map(({ type, remotePort, localPort }) => [type, remotePort, localPort]),
      [
        ['tcp', 2525, 25],
        ['tcp', 1143, 143],
        ['tcp', 4190, 4190],
      ],
    );
    assert.equal(new Set(proxies.map(({ loadBalancer }) => loadBalancer!.group)).size, 3);
  });

  it('has a proxy for each at every replica of the gateway, by the name of the port alone', () => {
    const texts = textsOf(gateway);
    assert.equal(texts.length, 2);
    for (const text of texts)
      assert.deepEqual(
        proxiesOf(text).map(({ localPort, remotePort, metadatas }) => [localPort, remotePort, metadatas]),
        [
          [25, undefined, { port: 'smtp' }],
          [143, undefined, { port: 'imap' }],
          [4190, undefined, { port: 'sieve' }],
        ],
      );
    assert.equal(new Set(proxiesOf(texts[0]!).map(({ name }) => name)).size, 3);
    const moved = ports.map((port) => ({ ...port, backendPort: port.backendPort ?? 4190, port: port.port + 1 }));
    const names = (of: string[]) => proxiesOf(of[0]!).map(({ name }) => name);
    assert.deepEqual(
      names(
        textsOf(
          gateway,
          moved.map(({ backendPortName: _, ...port }) => port),
        ),
      ),
      names(texts),
      'a port of users is no tunnel’s',
    );
  });

  it('is one backend with all of its ports to whoever reads the configuration back', () => {
    const [text] = textsOf(gateway);
    const parts = ['smtp', 'imap', 'sieve'].map(gatewayAgreement);
    assert.deepEqual(membershipsIn(text!, 'shop'), [
      { service: 'mail', port: 25, ports: { smtp: 25, imap: 143, sieve: 4190 }, parts, isGateway: true },
    ]);
    const facts = podFactsOf({ metadata: { namespace: 'shop', name: 'mail-0', annotations: { 'frp.io/frpc.json': text! } } });
    assert.deepEqual(facts!.ports, { mail: 25, 'mail:smtp': 25, 'mail:imap': 143, 'mail:sieve': 4190 });
  });

  it('waits for the app at all of its ports, and for none of udp', () => {
    const script = (...given: Parameters<typeof decide>) => JSON.stringify(decide(...given).patch);
    assert.match(script(plain), /for port in 25 143 4190; do/);
    assert.doesNotMatch(script(plain, [ports[0]!, ports[2]!], podOf(), 'udp'), /proc\/net\/tcp/);
  });

  it('is refused where no container has a port of the name, or an annotation says a port', () => {
    const named = decide(plain, [{ name: 'pop', port: 1110, backendPortName: 'pop3' }]);
    assert.equal(named.reason, 'MissingPort');
    assert.match(
      named.message,
      /port "pop" leads to pop3, and no container of the Pod has a port of that name \(declared: imap \(53\), imap \(143\)\)/,
    );
    const annotated = decide(plain, ports, podOf({ 'frp.io/port.mail': '25' }));
    assert.equal(annotated.reason, 'InvalidAnnotation');
    assert.match(annotated.message, /frp\.io\/port\.mail: is not used.*has several ports/);
  });
});
