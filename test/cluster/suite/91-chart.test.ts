/** The Helm chart: the same objects as the kustomize bases, and installed, changed, rolled back and removed on a clean cluster. */
import { after, before, suite, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { caBundles, caBundlesWritten, client, gatewayNamespace, reachable, root, system, testNamespace } from '../support/cluster.ts';
import { users } from '../support/gateway.ts';
import { chart, differences, helm, kustomized, manifestsOf, objectsIn, ownImage, rendered, tryHelm } from '../support/helm.ts';
import { apply, get, gone, items, kubectl, rolledOut, tryApply, tryKubectl } from '../support/kubectl.ts';
import { deployment, httpService, pod } from '../support/objects.ts';
import { dashboard, isTold, pageStatus } from '../support/page.ts';
import { eventually, must, run } from '../support/run.ts';
import { requests, servedBy } from '../support/traffic.ts';

const install = ['upgrade', '--install', 'frp-k8s', chart, '-n', system, '--create-namespace', '--wait', '--timeout', '4m', ...ownImage];
const withGateway = ['--set', 'gateway.enabled=true'];
const seen = ['--set-json', 'config.controller.page={}', '--set', 'config.gateway.accessLog.enabled=true'];

suite('the chart', () => {
  test('has the objects of the kustomize bases', async () => {
    const bases: [string, Record<string, unknown>][] = [
      ['install', {}],
      ['gateway', { 'gateway.enabled': true }],
      ['cert-manager', { 'certManager.enabled': true }],
      ['secrets-by-namespace', { secretsByNamespace: true }],
      ['network-policies', { 'gateway.enabled': true, 'networkPolicy.everyPart': true }],
    ];
    for (const [base, values] of bases) {
      const theirs = await kustomized(base);
      // Helm makes it.
      theirs.delete(`Namespace /${system}`);
      assert.deepEqual(differences(objectsIn(await rendered(values)), theirs), [], base);
    }
    const server = new Map([...(await kustomized('frps')), ...(await kustomized('network-policies/frp-server'))]);
    const ours = objectsIn(await rendered({ 'frpServer.enabled': true, 'networkPolicy.everyPart': true }));
    assert.deepEqual(differences(new Map([...ours].filter(([key]) => server.has(key))), server), []);
  });

  suite('with other values', () => {
    before(async () => {
      for (const name of [system, gatewayNamespace, 'tunnels']) await kubectl('create', 'namespace', name);
    });
    after(async () => {
      await kubectl('delete', 'namespace', system, gatewayNamespace, 'tunnels', '--timeout=120s');
    });

    const resources = { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '2Gi' } };
    const scheduling = {
      tolerations: [{ key: 'edge', operator: 'Exists' }],
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname' }] } },
      podAnnotations: { 'example.com/team': 'edge' },
      podLabels: { team: 'edge' },
      topologySpreadConstraints: [],
    };
    const sets: Record<string, Record<string, unknown>> = {
      'nothing set': {},
      'a gateway, five replicas and a load balancer': {
        'gateway.enabled': true,
        'gateway.replicas': 5,
        'gateway.service': {
          type: 'LoadBalancer',
          annotations: { 'example.com/lb': 'yes' },
          ports: [{ name: 'game', port: 25565, protocol: 'UDP' }],
        },
      },
      'a gateway in another namespace': { 'gateway.enabled': true, 'gateway.namespace': 'tunnels', 'gateway.createNamespace': false },
      'a gateway elsewhere': { 'join.token': 'frpj1.token' },
      'an frps that was there before': { 'config.frps': { address: 'frps.example.com', port: 7000, auth: { tokenSecret: 'frps-token' } } },
      'a plain frp server': { 'frpServer.enabled': true, 'frpServer.ports': [{ name: 'postgres', port: 5432 }] },
      'images by digest, from a registry with a password': {
        image: { repository: 'registry.example.com:5000/frp-k8s', digest: `sha256:${'0'.repeat(64)}`, pullPolicy: 'Always' },
        imagePullSecrets: [{ name: 'registry' }],
        'gateway.enabled': true,
        'gateway.haproxy.tag': '3.0',
      },
      'every field of scheduling and resources': {
        webhook: { ...scheduling, resources, replicas: 3 },
        controller: { ...scheduling, resources },
        gateway: { enabled: true, ...scheduling, resources: { agent: resources, frps: resources, tunnel: resources, users: resources } },
        'priorityClass.name': 'system-cluster-critical',
      },
      'webhooks that let pass, for some Pods only': {
        webhook: {
          failurePolicy: 'Ignore',
          timeoutSeconds: 3,
          matchConditions: [{ name: 'not-ci', expression: "!object.metadata.namespace.startsWith('ci-')" }],
          namespaceSelector: [{ key: 'team', operator: 'Exists' }],
          podDisruptionBudget: { enabled: false },
        },
      },
      'network policies for every part, with addresses and namespaces': {
        'gateway.enabled': true,
        'frpServer.enabled': true,
        'config.gateway': { tunnelPort: 7001, addresses: ['gw-0.example.com', 'gw-1.example.com:7443', '[2001:db8::1]'] },
        networkPolicy: {
          everyPart: true,
          apiServer: { peers: [{ ipBlock: { cidr: '192.0.2.10/32' } }], ports: [{ protocol: 'TCP', port: 8443 }] },
          dns: { peers: [], ports: [{ protocol: 'UDP', port: 5353 }] },
          tunnelsFrom: [{ namespaceSelector: { matchLabels: { 'frp.io/client': 'true' } } }],
          controllerEgress: [{ ports: [{ protocol: 'TCP', port: 3128 }] }],
          gatewayEgress: [{ ports: [{ protocol: 'TCP', port: 4318 }] }],
        },
      },
      'OpenShift, without a network policy, Secrets by namespace': {
        openshift: true,
        'networkPolicy.enabled': false,
        secretsByNamespace: true,
      },
    };
    for (const [name, values] of Object.entries(sets))
      test(`the API server takes it: ${name}`, async () => {
        const { code, stdout, stderr } = await tryApply(await manifestsOf(values), '--dry-run=server');
        assert.equal(code, 0, stdout + stderr);
      });

    test('a key that is none is refused before anything is installed, with its name', async () => {
      for (const [given, expected] of [
        ['gatway.enabled=true', /gatway/],
        ['config.frps.adress=frps.example.com', /adress/],
        ['webhook.failurePolicy=Never', /failurePolicy/],
      ] as const) {
        const { code, stderr } = await tryHelm('template', 'frp-k8s', chart, '--kube-version', '1.30.0', '--set', given);
        assert.notEqual(code, 0, given);
        assert.match(stderr, expected);
      }
    });
  });

  suite('on a cluster', () => {
    const host = 'chart.example.com';
    before(async () => {
      await client();
    });

    test('is there with three commands, and the first request is answered', async (t) => {
      const start = Date.now();
      await helm(...install, ...withGateway, ...seen);
      await testNamespace('chart');
      await apply(httpService('chart', 'web', host));
      await apply(deployment({ namespace: 'chart', name: 'web', frp: { group: 'web' } }));
      await servedBy(host, 1, users);
      t.diagnostic(`${Math.round((Date.now() - start) / 1000)} s from helm install to the first answer`);
    });

    test('shows its page to whoever may list services, and to nobody else, and tells what changes', async () => {
      for (const name of ['viewer', 'stranger']) await kubectl('-n', system, 'create', 'serviceaccount', name);
      await kubectl('create', 'clusterrole', 'chart-viewer', '--verb=list', '--resource=distributedservices.frp.io');
      await kubectl('create', 'clusterrolebinding', 'chart-viewer', '--clusterrole=chart-viewer', `--serviceaccount=${system}:viewer`);
      const stranger = (await kubectl('-n', system, 'create', 'token', 'stranger')).trim();
      assert.deepEqual([await pageStatus(undefined), await pageStatus('wrong'), await pageStatus(stranger)], [401, 401, 403]);
      const page = await dashboard(`${system}/viewer`);
      try {
        assert.match(await page.read('/'), /href="\/services\/chart\/web"/);
        const [backend] = await items('chart', 'pod', '-l', 'app=web');
        await eventually('its backend is up', async () =>
          assert.match(await page.read('/services/chart/web'), new RegExp(`${backend.metadata.name}[^]*frp-gateway-0[^]*L7OK`)),
        );
        const changes = await page.changes('/');
        await apply(httpService('chart', 'later', 'later.chart.example.com'));
        await isTold(changes, 'chart/later');
      } finally {
        page.close();
        await kubectl('delete', 'clusterrole,clusterrolebinding', 'chart-viewer');
      }
    });

    test('writes a line for each request, with its backend and without its query', async () => {
      await requests(host, 4, '/seen?token=planted-in-query', users);
      const [{ status }] = await items('chart', 'pod', '-l', 'app=web');
      await eventually('the lines are there', async () => {
        const logs = await Promise.all(
          [0, 1].map((ordinal) => kubectl('-n', gatewayNamespace, 'logs', `frp-gateway-${ordinal}`, '-c', 'agent')),
        );
        const lines = logs.flatMap((log) =>
          log.split('\n').filter((line) => line.includes('"event":"request"') && line.includes('"/seen"')),
        );
        assert.equal(lines.length, 4);
        for (const line of lines) {
          const { service, backend, reason } = JSON.parse(line) as Record<string, unknown>;
          assert.deepEqual({ service, backend, reason }, { service: 'web', backend: `${status.podIP}:8080`, reason: 'Completed' });
        }
        assert.doesNotMatch(logs.join(''), /planted-in/);
      });
    });

    test('gives a support bundle without a secret', async () => {
      await apply(
        { apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'chart', name: 'planted' }, stringData: { token: 'planted-in-secret' } },
        pod({ namespace: 'chart', name: 'planted', frp: { group: 'web' }, container: { env: [{ name: 'KEY', value: 'planted-in-env' }] } }),
      );
      await kubectl('-n', 'chart', 'annotate', 'pod/planted', 'dsvc/web', 'example.com/url=https://user:planted-in-url@db.example.com/');
      const folder = mkdtempSync(join(tmpdir(), 'frp-k8s-bundle-'));
      try {
        await must('node', [`${root}/src/main.ts`, 'support-bundle', '-o', join(folder, 'bundle.tar.gz')]);
        await must('tar', ['-xzf', join(folder, 'bundle.tar.gz'), '-C', folder]);
        rmSync(join(folder, 'bundle.tar.gz'));
        assert.match(await must('grep', ['-rl', 'planted', folder]), /pods/, 'the Pod is in it');
        assert.equal((await run('grep', ['-r', 'planted-in', folder])).stdout, '');
      } finally {
        rmSync(folder, { recursive: true });
        await kubectl('-n', 'chart', 'delete', 'pod/planted', 'dsvc/later', '--ignore-not-found', '--timeout=60s');
      }
    });

    test('is upgraded and rolled back while Pods are created and users come: none is refused or left without its sidecar', async () => {
      const bundles = await caBundles();
      let isOver = false;
      const failures: string[] = [];
      const pods = (async () => {
        while (!isOver) {
          const { code, stdout, stderr } = await tryApply(
            [pod({ namespace: 'chart', name: 'dry', frp: { group: 'web' } })],
            '--dry-run=server',
            '-o',
            'json',
          );
          if (code !== 0) failures.push(stderr);
          else if (!/"frp.io\/injected"/.test(stdout)) failures.push('a Pod without a sidecar');
          await sleep(200);
        }
      })();
      const requests = (async () => {
        while (!isOver) await servedBy(host, 1, users).catch((error: Error) => failures.push(error.message));
      })();
      try {
        await helm(...install, ...withGateway, ...seen, '--set', 'webhook.replicas=3', '--set', 'config.logLevel=debug');
        assert.equal((await get(system, 'deployment', 'frp-webhook')).spec.replicas, 3);
        await helm('rollback', 'frp-k8s', '1', '-n', system, '--wait', '--timeout', '4m');
        assert.equal((await get(system, 'deployment', 'frp-webhook')).spec.replicas, 2);
      } finally {
        isOver = true;
        await Promise.all([pods, requests]);
      }
      assert.deepEqual(failures, []);
      assert.deepEqual(await caBundles(), bundles, 'Helm leaves the caBundle alone');
    });

    test('is removed: services stay with the CRD, can be deleted, and serve again when it comes back', async () => {
      await helm('uninstall', 'frp-k8s', '-n', system, '--wait', '--timeout', '3m');
      await gone('', 'clusterrole', 'frp-k8s-controller');
      assert.equal((await get('chart', 'distributedservice', 'web')).metadata.finalizers, undefined);
      await apply(httpServiceWithoutDefaults());
      await kubectl('-n', 'chart', 'delete', 'distributedservice', 'other', '--timeout=20s');
      await helm(...install, ...withGateway);
      await caBundlesWritten();
      await reachable();
      await kubectl('-n', 'chart', 'rollout', 'restart', 'deployment/web');
      await rolledOut('chart', 'web');
      await servedBy(host, 1, users);
    });

    test('is removed with the CRD and leaves nothing', async () => {
      await helm(...install, ...withGateway, '--set', 'crds.keep=false');
      await helm('uninstall', 'frp-k8s', '-n', system, '--wait', '--timeout', '3m');
      await kubectl('delete', 'namespace', system, '--timeout=120s');
      await eventually('nothing of it', async () => {
        const kinds =
          'crd,mutatingwebhookconfiguration,validatingwebhookconfiguration,clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding,priorityclass,namespace';
        const left = (await kubectl('get', kinds, '-o', 'name'))
          .split('\n')
          .filter((name) => /frp-k8s|frp\.io|frp-system|frp-gateway/.test(name));
        assert.deepEqual(left, []);
      });
      assert.equal((await tryKubectl('get', 'distributedservices', '-A')).code, 1);
    });
  });
});

const httpServiceWithoutDefaults = () => httpService('chart', 'other', 'other.chart.example.com');
