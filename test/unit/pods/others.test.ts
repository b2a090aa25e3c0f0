/** Pods that other webhooks, platforms and people have shaped. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import jsonpatch, { type Operation } from 'fast-json-patch';
import { configSchema, defaultConfig, type Config } from '../../../src/config/schema.ts';
import type { DistributedService, DistributedServiceSpec } from '../../../src/model/types.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import { decideWorkload } from '../../../webhooks/workloads/decide.ts';
import { outdatedGroups } from '../../../webhooks/pods/outdated.ts';
import type { Container, Pod } from '../../../webhooks/pods/pod.ts';
import { uninjectionPatch } from '../../../webhooks/pods/uninject.ts';
import { service, storeOf } from '../../support/services.ts';

const app: Container = { name: 'app', image: 'nginx:1', ports: [{ name: 'http', containerPort: 8080 }] };
const podOf = (spec: Record<string, unknown> = {}, annotations: Record<string, string> = {}, labels?: Record<string, string>): Pod => ({
  metadata: { annotations: { 'frp.io/group': 'web', ...annotations }, ...(labels && { labels }) },
  spec: { containers: [app], ...spec },
});

interface Setting {
  spec?: Partial<DistributedServiceSpec>;
  config?: Config;
  services?: DistributedService[];
  selectorMode?: boolean;
}
const decide = (pod: unknown, { spec = {}, config = defaultConfig, services, selectorMode = false }: Setting = {}) =>
  decidePod(pod, { namespace: 'shop', services: storeOf(...(services ?? [service('web', spec)])), config, selectorMode });
const apply = (pod: unknown, patch: readonly object[] = []): Pod =>
  jsonpatch.applyPatch(structuredClone(pod), patch as Operation[], true).newDocument as Pod;
function inject(pod: unknown, setting?: Setting): Pod {
  const decision = decide(pod, setting);
  assert.notEqual(decision.outcome, 'denied', decision.message);
  return apply(pod, decision.patch);
}
const sidecar = (pod: Pod): Container => pod.spec!.initContainers!.find(({ name }) => name === 'frpc')!;
const localPort = (pod: Pod): number =>
  (JSON.parse(pod.metadata!.annotations!['frp.io/frpc.json']!) as { proxies: { localPort: number }[] }).proxies[0]!.localPort;

describe('an image for the sidecar', () => {
  const digest = `@sha256:${'a'.repeat(64)}`;
  for (const image of [
    'frpc',
    'frpc:1',
    'own/frpc',
    'Registry.example.com:5000/a_b/frpc-x:v0.71.0_A',
    `docker.io/fatedier/frpc${digest}`,
    `a/b:1${digest}`,
  ])
    it(`is ${image}`, () => assert.equal(decide(podOf({}, { 'frp.io/sidecar-image': image })).outcome, 'patched'));
  for (const image of ['a:::@', 'a//b', 'Own', 'a/B', 'a:', 'a@', 'a/', 'a:b:c', 'a@sha256:1', `a${'b'.repeat(600)}`])
    it(`is not ${image.slice(0, 20)}, which the kubelet would refuse`, () =>
      assert.equal(decide(podOf({}, { 'frp.io/sidecar-image': image })).reason, 'InvalidAnnotation'));
});

describe('a Pod with several problems', () => {
  const wrong = podOf(
    { containers: [{ ...app, ports: [] }], nodeSelector: { 'kubernetes.io/os': 'windows' } },
    { 'frp.io/group': 'web,wbe', 'frp.io/weight': 'much', 'frp.io/drain': 'long', 'frp.io/wieght': '1' },
  );
  const expected = [
    /^the frpc sidecar needs Linux/,
    /there is no DistributedService "wbe"/,
    /^annotation frp\.io\/weight: invalid value "much"/,
    /^annotation frp\.io\/drain: invalid value "long"/,
    /^group "web": cannot tell which port/,
  ];

  it('is told of all of them at once, and of the annotation that nobody knows', () => {
    const { outcome, message, warnings } = decide(wrong);
    assert.equal(outcome, 'denied');
    const [head, ...lines] = message.split('\n');
    assert.equal(head, '5 errors');
    assert.equal(lines.length, expected.length);
    expected.forEach((pattern, index) => assert.match(lines[index]!.replace(/^\* /, ''), pattern));
    assert.match(warnings.join(), /annotation frp\.io\/wieght is not known/);
  });

  it('has one warning for each on its workload', () => {
    const deployment = { kind: 'Deployment', apiVersion: 'apps/v1', spec: { template: wrong } };
    const { warnings } = decideWorkload(deployment, {
      namespace: 'shop',
      services: storeOf(service('web')),
      config: defaultConfig,
      selectorMode: false,
    });
    expected.forEach((pattern, index) => assert.match(warnings[index]!.replace('its Pods will be refused: ', ''), pattern));
  });

  it('is not told that a port is missing where the annotation of that port is wrong', () => {
    assert.match(
      decide(podOf({ containers: [{ ...app, ports: [] }] }, { 'frp.io/port': 'No!' })).message,
      /^annotation frp\.io\/port: invalid value "No!": must be a port number/,
    );
  });

  it('whose groups cannot be read is told of its other annotations too', () => {
    assert.match(
      decide(podOf({}, { 'frp.io/group': 'Web', 'frp.io/weight': '-1' })).message,
      /^2 errors\n.*frp\.io\/group.*\n.*frp\.io\/weight/,
    );
  });
});

describe('a Pod of many groups', () => {
  const names = Array.from({ length: 257 }, (_, index) => `${'group'.repeat(10)}${index}`);
  const services = names.map((name) => service(name, {}));

  it('is refused before anything is rendered for it', () => {
    const decision = decide(podOf({}, { 'frp.io/group': names.join(',') }), { services });
    assert.equal(decision.reason, 'TooLarge');
    assert.match(decision.message, /257 groups, and 256 is the most/);
  });

  it('none of which is known is told of the first twenty: no more are looked for among thousands of services', () => {
    const { message, problems } = decide(podOf({}, { 'frp.io/group': names.slice(0, 256).join(','), 'frp.io/weight': 'much' }));
    assert.equal(problems?.length, 20);
    assert.match(message, /^20 errors\n/);
  });

  it('is told briefly of each port for a group that it is not in', () => {
    const group = names.slice(0, 100).join(',');
    const { warnings } = decide(podOf({}, { 'frp.io/group': group, 'frp.io/port.other': '80' }), { services });
    assert.equal(warnings.length, 1);
    assert.ok(warnings[0]!.length < 400, warnings[0]);
  });
});

/** What each mesh's injector adds, in its shape. */
const meshes: [name: string, add: (pod: Pod) => void][] = [
  [
    'Istio',
    (pod) =>
      pod.spec!.containers!.push({ name: 'istio-proxy', ports: [{ name: 'http-envoy-prom', containerPort: 15090, protocol: 'TCP' }] }),
  ],
  [
    'Istio with native sidecars',
    (pod) => pod.spec!.initContainers!.push({ name: 'istio-proxy', restartPolicy: 'Always', ports: [{ containerPort: 15090 }] }),
  ],
  [
    'Linkerd',
    (pod) =>
      pod.spec!.containers!.unshift({
        name: 'linkerd-proxy',
        ports: [{ containerPort: 4143 }, { name: 'linkerd-admin', containerPort: 4191 }],
      }),
  ],
  [
    'Dapr',
    (pod) =>
      pod.spec!.containers!.push({ name: 'daprd', ports: [{ containerPort: 3500 }, { containerPort: 50001 }, { containerPort: 9090 }] }),
  ],
  [
    'Knative',
    (pod) =>
      pod.spec!.containers!.push({ name: 'queue-proxy', ports: [{ containerPort: 8012 }, { name: 'http-queueadm', containerPort: 8022 }] }),
  ],
  ['an injector that nobody knows', (pod) => pod.spec!.containers!.push({ name: 'agent', ports: [{ containerPort: 7777 }] })],
];

describe('beside other injectors', () => {
  for (const [name, add] of meshes) {
    it(`the port stays that was found before ${name} added its own`, () => {
      const pod = inject(podOf());
      add(pod);
      const again = decide(pod);
      assert.notEqual(again.outcome, 'denied', again.message);
      assert.equal(localPort(apply(pod, again.patch)), 8080);
    });
  }

  for (const [name, add] of meshes.slice(0, -1)) {
    it(`the ports of ${name} are not the app's where it came first`, () => {
      const pod = podOf({ initContainers: [] });
      add(pod);
      assert.equal(localPort(inject(pod)), 8080);
    });
  }

  it("a mesh's own gateway has its ports as those of the app", () => {
    assert.equal(
      localPort(inject(podOf({ containers: [{ name: 'istio-proxy', image: 'auto', ports: [{ containerPort: 8443 }] }] }))),
      8443,
    );
  });

  it("the port of Istio's metrics is never the app's, so that a gateway of Istio's is told the same before Istio and after it", () => {
    const gateway = (ports: object[]) => decide(podOf({ containers: [{ name: 'istio-proxy', image: 'auto', ports }] }));
    const metrics = { name: 'http-envoy-prom', containerPort: 15090, protocol: 'TCP' };
    assert.equal(gateway([metrics]).message, gateway([]).message);
    assert.equal(gateway([metrics]).reason, 'MissingPort');
  });

  it('a port that the app no longer declares does not stay', () => {
    const pod = inject(podOf());
    pod.spec!.containers![0]!.ports![0]!.containerPort = 9090;
    assert.equal(localPort(inject(pod)), 9090);
  });

  for (const [field, drop] of [
    ['restartPolicy', (container: Container) => delete container.restartPolicy],
    ['preStop.sleep', (container: Container) => (container.lifecycle = { preStop: {} })],
    ['an environment variable', (container: Container) => container.env!.pop()],
    ['a mount', (container: Container) => container.volumeMounts!.pop()],
  ] as const) {
    it(`heals the sidecar from which a webhook dropped ${field}, and keeps what was added to it`, () => {
      const pod = inject(podOf());
      const wanted = structuredClone(sidecar(pod));
      sidecar(pod).env!.push({ name: 'HTTPS_PROXY', value: 'http://proxy' });
      sidecar(pod).terminationMessagePath = '/dev/termination-log';
      drop(sidecar(pod));
      const healed = sidecar(inject(pod));
      assert.deepEqual([healed.restartPolicy, healed.lifecycle], [wanted.restartPolicy, wanted.lifecycle]);
      for (const variable of wanted.env!) assert.ok(healed.env!.some(({ name }) => name === variable.name));
      assert.equal(healed.volumeMounts!.length, wanted.volumeMounts!.length);
      assert.equal(healed.terminationMessagePath, '/dev/termination-log');
      assert.equal(decide(inject(pod)).reason, 'UpToDate');
    });
  }

  it('takes the preStop hook away that is no longer wanted', () => {
    const pod = inject(podOf());
    pod.metadata!.annotations!['frp.io/drain'] = '0s';
    assert.equal(sidecar(inject(pod)).lifecycle, undefined);
  });
});

describe('resources', () => {
  const of = (pod: Pod, setting?: Setting) => sidecar(inject(pod, setting)).resources;
  const limits = { cpu: '1', memory: '1Gi' };
  const guaranteed = { containers: [{ ...app, resources: { limits } }] };

  it('of the whole Pod leave the sidecar none of its own, or the API server would refuse the sum', () => {
    assert.deepEqual(of(podOf({ resources: { requests: { cpu: '1', memory: '1Gi' }, limits } })), {});
    assert.deepEqual(of(podOf({ resources: { limits: { cpu: '1' } } })), { requests: { memory: '32Mi' }, limits: { memory: '128Mi' } });
    const asked = decide(podOf({ resources: { limits } }, { 'frp.io/sidecar-cpu-limit': '1' }));
    assert.match(asked.warnings.join(), /frp\.io\/sidecar-cpu-\* have no effect: the Pod has spec\.resources for cpu/);
    assert.equal(decide(inject(podOf({ resources: { limits } }))).reason, 'UpToDate');
  });

  it('of a Guaranteed Pod do not throttle the tunnel', () => {
    assert.deepEqual(of(podOf(guaranteed)), { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '100m', memory: '128Mi' } });
    assert.deepEqual(decide(podOf(guaranteed)).warnings, []);
  });

  it('below 100m of CPU give a warning with the remedy, where a person wrote them', () => {
    const text = /the sidecar's CPU limit of 20m throttles the tunnel; set frp\.io\/sidecar-cpu-limit to 100m or more/;
    assert.match(decide(podOf(guaranteed, { 'frp.io/sidecar-cpu-limit': '20m' })).warnings.join(), text);
    assert.match(decide(podOf({}, { 'frp.io/sidecar-cpu-limit': '20m' })).warnings.join(), /or to none$/);
    assert.match(decide(podOf(), { config: configSchema.parse({ sidecar: { cpuLimit: '20m' } }) }).warnings.join(), text);
    assert.deepEqual(decide(podOf({}, { 'frp.io/sidecar-cpu-limit': '100m' })).warnings, []);
  });

  it('of the Pod as a whole give the warning too, in the words that fit: its sidecar shares them', () => {
    const warned = (cpu: string | number) => decide(podOf({ resources: { limits: { cpu } } })).warnings;
    assert.match(
      warned('50m').join(),
      /the Pod's CPU limit of 50m, which its sidecar shares, throttles the tunnel; set spec\.resources\.limits\.cpu to more than 100m/,
    );
    assert.match(warned(0.05).join(), /CPU limit of 0\.05/);
    assert.deepEqual(warned('200m'), []);
  });

  it('may be without limits, and with ephemeral storage', () => {
    assert.deepEqual(of(podOf({}, { 'frp.io/sidecar-memory-limit': 'none' })), { requests: { cpu: '10m', memory: '32Mi' } });
    const config = configSchema.parse({ sidecar: { memoryLimit: null, ephemeralStorage: '10Mi' } });
    assert.deepEqual(of(podOf(), { config }), {
      requests: { cpu: '10m', memory: '32Mi', 'ephemeral-storage': '10Mi' },
      limits: { 'ephemeral-storage': '10Mi' },
    });
  });

  it('that were resized in place do not make a Pod outdated, a pool that the service changed does', () => {
    const pod = inject(podOf({ containers: [{ ...app, resources: { requests: { cpu: '1' } } }] })) as Pod & { metadata: object };
    pod.metadata.namespace = 'shop';
    pod.spec!.containers![0]!.resources = { requests: { cpu: '4' } };
    assert.deepEqual(outdatedGroups(pod, storeOf(service('web')), defaultConfig), []);
    const pooled = service('web', { advanced: { connectionPool: { size: 7 } } });
    assert.deepEqual(outdatedGroups(pod, storeOf(pooled), defaultConfig), ['web']);
  });
});

describe('a Pod for Windows is refused', () => {
  const affinity = (...terms: unknown[]) => ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
  });
  const os = (...values: string[]) => ({ matchExpressions: [{ key: 'kubernetes.io/os', operator: 'In', values }] });
  for (const [how, spec] of [
    ['spec.os', { os: { name: 'windows' } }],
    ['node selector', { nodeSelector: { 'kubernetes.io/os': 'windows' } }],
    ['the older label', { nodeSelector: { 'beta.kubernetes.io/os': 'windows' } }],
    ['affinity', affinity(os('windows'))],
    ['hostProcess of the Pod', { securityContext: { windowsOptions: { hostProcess: true } } }],
    ['hostProcess of a container', { containers: [{ ...app, securityContext: { windowsOptions: { hostProcess: true } } }] }],
  ] as const) {
    it(`by its ${how}`, () => assert.equal(decide(podOf(spec)).reason, 'UnsupportedOS'));
  }
  it('and not where Linux would do too', () => {
    for (const spec of [
      affinity(os('windows', 'linux')),
      affinity(os('windows'), os('linux')),
      affinity(),
      affinity(null),
      { affinity: { nodeAffinity: {} } },
    ])
      assert.equal(decide(podOf(spec)).reason, 'Injected');
  });
});

describe('a Pod whose DNS is not the cluster’s', () => {
  for (const [dnsPolicy, text] of [
    ['Default', /dnsPolicy: Default\), where frp-server\.frp-system\.svc is not known; set dnsPolicy: ClusterFirst,/],
    ['None', /dnsPolicy: None, so frp-server\.frp-system\.svc is known to it only if spec\.dnsConfig\.nameservers/],
  ] as const)
    it(`(${dnsPolicy}) gets a warning where the server has a name of the cluster`, () => {
      assert.match(decide(podOf({ dnsPolicy })).warnings.join(), text);
      assert.deepEqual(decide(podOf({ dnsPolicy }), { config: configSchema.parse({ frps: { address: 'frp.example.com' } }) }).warnings, []);
    });
});

describe('a named port', () => {
  it('for UDP only is refused for an http service', () => {
    const containers = [{ ...app, ports: [{ name: 'dns', containerPort: 53, protocol: 'UDP' }] }];
    const { reason, message } = decide(podOf({ containers }, { 'frp.io/port': 'dns' }));
    assert.equal(reason, 'InvalidAnnotation');
    assert.match(message, /it is a port for UDP, and DistributedService "web" \(http\) needs one for TCP/);
  });
});

describe('a field that a user had set', () => {
  it('is restored by uninject, such as the label frp.io/sidecar', () => {
    for (const value of ['mine', 'injected']) {
      const pod = podOf({}, {}, { 'frp.io/sidecar': value });
      const injected = inject(pod);
      assert.equal(injected.metadata!.labels!['frp.io/sidecar'], 'injected');
      assert.equal(decide(injected).reason, 'UpToDate');
      assert.deepEqual(apply(injected, uninjectionPatch(injected)), pod);
    }
  });

  it('may be absent: a template without metadata gets it, and loses it again', () => {
    const selecting = {
      backends: {
        discovery: { mode: 'selector' as const, selector: { matchExpressions: [{ key: 'x', operator: 'DoesNotExist' as const }] } },
      },
    };
    for (const metadata of [undefined, null, {}]) {
      const pod = { ...(metadata !== undefined && { metadata }), spec: { containers: [app] } };
      const injected = inject(pod, { spec: selecting, selectorMode: true });
      assert.equal(sidecar(injected).name, 'frpc');
      assert.deepEqual(apply(injected, uninjectionPatch(injected)), pod);
    }
  });

  it('is named in a warning where it is a sidecar that has lost its annotation', () => {
    const pod = inject(podOf());
    delete pod.metadata!.annotations!['frp.io/group'];
    const { outcome, warnings } = decide(pod);
    assert.equal(outcome, 'skipped');
    assert.match(
      warnings.join(),
      /still has frpc of an earlier injection, and no annotation frp\.io\/group; take it out with frp-k8s uninject/,
    );
  });

  it('such as a short grace period gives no warning where nobody asked for a drain time', () => {
    assert.deepEqual(decide(podOf({ terminationGracePeriodSeconds: 3 })).warnings, []);
    assert.match(decide(podOf({ terminationGracePeriodSeconds: 3 }, { 'frp.io/drain': '5s' })).warnings.join(), /2 s are used/);
  });

  it('may have the name of a property of Object.prototype', () => {
    const constructor = service('constructor');
    const pod = podOf({}, { 'frp.io/group': 'constructor' }, { toString: 'x' });
    assert.equal(localPort(inject(pod, { services: [constructor] })), 8080);
    const selecting = service('web', {
      backends: { discovery: { mode: 'selector', selector: { matchExpressions: [{ key: 'toString', operator: 'Exists' }] } } },
    });
    const plain = { metadata: { labels: { app: 'x' } }, spec: { containers: [app] } };
    assert.equal(decide(plain, { services: [selecting], selectorMode: true }).outcome, 'skipped');
    assert.match(decide(podOf({}, { 'frp.io/group': 'tostring' })).message, /no DistributedService "tostring"/);
  });
});

describe('a part of a Pod', () => {
  const parts = [
    {},
    { metadata: { labels: { app: 'x' } } },
    { spec: { containers: [{ name: 'app' }] } },
    { spec: {} },
    undefined,
    null,
    'text',
    [1],
  ];
  it('that is not annotated is left alone', () => {
    for (const part of parts) {
      for (const selectorMode of [true, false]) assert.equal(decide(part, { selectorMode }).reason, 'NotAnnotated');
    }
  });

  it('that is annotated is refused with what it lacks', () => {
    const { reason, message } = decide({ metadata: { annotations: { 'frp.io/group': 'web' } } });
    assert.deepEqual([reason, message], ['InvalidPod', 'spec: Required value']);
  });
});

describe('the configuration of sidecars', () => {
  const container = (settings: object, annotations?: Record<string, string>) =>
    sidecar(inject(podOf({}, annotations), { config: configSchema.parse({ sidecar: settings }) }));

  it('has a pull policy, and an image with its registry', () => {
    assert.equal(container({ imagePullPolicy: 'Never' }).imagePullPolicy, 'Never');
    assert.match(container({}).image!, /^docker\.io\/fatedier\/frpc:v/);
  });

  it('leaves the user to the platform where it is null', () => {
    const context = container({ runAsUser: null }).securityContext as Record<string, unknown>;
    assert.deepEqual([context.runAsUser, context.runAsGroup, context.runAsNonRoot], [undefined, undefined, true]);
    assert.deepEqual((container({ runAsUser: 1000 }).securityContext as Record<string, unknown>).runAsGroup, 1000);
  });

  it("reaches the app at the Pod's own address where it must", () => {
    for (const pod of [
      inject(podOf({}, { 'frp.io/app-address': 'podIP' })),
      inject(podOf(), { config: configSchema.parse({ sidecar: { appAddress: 'podIP' } }) }),
    ]) {
      assert.match(pod.metadata!.annotations!['frp.io/frpc.json']!, /"localIP":"\{\{ \.Envs\.POD_IP \}\}"/);
      assert.deepEqual(sidecar(pod).env!.find(({ name }) => name === 'POD_IP')?.valueFrom, {
        fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' },
      });
    }
    assert.equal(decide(podOf({}, { 'frp.io/app-address': '10.0.0.1' })).reason, 'InvalidAnnotation');
  });

  it('adds pull Secrets to those of the Pod, and uninject takes away only what was added', () => {
    const config = configSchema.parse({ sidecar: { imagePullSecrets: ['mirror', 'mine'] } });
    for (const [secrets, wanted] of [
      [[{ name: 'mine' }], ['mine', 'mirror']],
      [undefined, ['mirror', 'mine']],
      [null, ['mirror', 'mine']],
      [[], ['mirror', 'mine']],
    ] as const) {
      const pod = podOf(secrets === undefined ? {} : { imagePullSecrets: secrets });
      const injected = inject(pod, { config });
      assert.deepEqual(
        injected.spec!.imagePullSecrets!.map(({ name }) => name),
        wanted,
      );
      assert.equal(decide(injected, { config }).reason, 'UpToDate');
      assert.deepEqual(apply(injected, uninjectionPatch(injected)), pod);
      assert.deepEqual(inject(injected).spec!.imagePullSecrets ?? [], secrets ?? []);
    }
  });

  it('differs by namespace', () => {
    const image = 'mirror.local/frpc:v1';
    assert.equal(container({ namespaces: [{ namespaces: ['shop'], image, cpuLimit: '200m' }] }).image, image);
    assert.match(container({ namespaces: [{ namespaces: ['other'], image }] }).image!, /^docker\.io/);
    assert.equal(container({ namespaces: [{ namespaces: ['shop'], image }] }, { 'frp.io/sidecar-image': 'own:1' }).image, 'own:1');
  });
});
