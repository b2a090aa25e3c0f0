import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allChecks } from '../../../src/diagnose/checks/all.ts';
import type { Probes } from '../../../src/diagnose/probes.ts';
import { exitCodeOf, runChecks } from '../../../src/diagnose/run.ts';
import type { Snapshot } from '../../../src/diagnose/snapshot.ts';
import { reasonLink } from '../../../src/model/reasons/catalogue.ts';
import { annotate, faults, type Draft } from './faults.ts';
import { healthy, working } from './healthy.ts';

const said = (snapshot: Snapshot, probes = working(), options = {}) => runChecks(allChecks, { snapshot, probes }, options);
const wrongIn = async (snapshot: Snapshot, probes?: Probes, options = {}) => {
  const { findings } = await said(snapshot, probes, options);
  return findings.filter(({ level }) => level !== 'ok');
};

describe('a healthy installation', () => {
  it('has nothing wrong, and every check says what it has looked at', async () => {
    const report = await said(healthy());
    assert.deepEqual(
      report.findings.filter(({ level }) => level !== 'ok').map(({ check, message }) => `${check}: ${message}`),
      [],
    );
    assert.deepEqual(report.leftOut, []);
    assert.equal(exitCodeOf(report), 0);
    assert.ok(report.findings.length >= 40, `${report.findings.length} checks`);
  });
});

describe('a fault', () => {
  for (const { fault, breaks, probes, options, says } of faults)
    it(`is the one thing that is said to be wrong: ${fault}`, async () => {
      const draft: Draft = healthy();
      breaks?.(draft);
      const wrong = await wrongIn(draft as Snapshot, working(probes), options);
      assert.deepEqual(wrong.map(({ check, reason }) => `${check} ${reason}`).sort(), [...says].sort());
      for (const { reason, remedy, level } of wrong) {
        assert.notEqual(reasonLink(reason), undefined, `${reason} has a page`);
        if (level !== 'unknown') assert.ok(remedy !== undefined && remedy !== '', `${reason} has a remedy`);
      }
    });
});

describe('a right that is missing', () => {
  it('is said by the checks that need it, and is never taken for nothing there', async () => {
    const draft: Draft = healthy();
    draft.services = { forbidden: 'list distributedservices' };
    const wrong = await wrongIn(draft as Snapshot);
    assert.ok(wrong.length > 5);
    for (const { level, reason, message } of wrong) {
      assert.deepEqual([level, reason], ['unknown', 'NotReadable']);
      assert.match(message, /may not list distributedservices/);
    }
  });

  it('is said of the configuration too: nothing is judged by the defaults in its place', async () => {
    const draft: Draft = healthy();
    draft.config = draft.configMap = { forbidden: 'list deployments of namespace frp-system' };
    for (const { level, reason, message } of await wrongIn(draft as Snapshot)) {
      assert.deepEqual([level, reason], ['unknown', 'NotReadable'], message);
      assert.match(message, /may not list deployments of namespace frp-system/);
    }
  });
});

describe('the remedy of a misspelled group', () => {
  it('is the command that writes the nearest name', async () => {
    const draft: Draft = healthy();
    annotate(draft, { 'frp.io/group': 'wep' });
    const [finding] = await wrongIn(draft as Snapshot);
    assert.equal(
      finding?.remedy,
      `kubectl -n shop patch deployment web --type=merge -p '{"spec":{"template":{"metadata":{"annotations":{"frp.io/group":"web"}}}}}'`,
    );
  });
});

describe('the remedy of a quota that is too small', () => {
  it('raises it by what the missing Pods ask for and one more of a rollout, and has the workload try again', async () => {
    const draft: Draft = healthy();
    const message =
      'pods "web-1" is forbidden: exceeded quota: small, requested: pods=1,requests.cpu=110m, used: pods=2,requests.cpu=1, limited: pods=2,requests.cpu=1';
    draft.workloads.ok[0].status = { conditions: [{ type: 'ReplicaFailure', status: 'True', message }] };
    draft.quotas.ok = [{ metadata: { namespace: 'shop', name: 'small' } }];
    const [finding] = await wrongIn(draft as Snapshot);
    assert.equal(
      finding?.remedy,
      `kubectl -n shop patch resourcequota small --type=merge -p '{"spec":{"hard":{"pods":"4","requests.cpu":"1220m"}}}' && kubectl -n shop rollout restart deployment/web`,
    );
  });
});

describe('what is not there to be looked at', () => {
  it('is not said to be well: the plain frp server where no service goes to one, the gateway where there is none', async () => {
    const { findings } = await said(healthy());
    assert.deepEqual(
      findings.filter(({ check }) => ['plain-server', 'server-certificate'].includes(check)),
      [],
    );
    const draft: Draft = healthy();
    draft.config.ok.gateway.addresses = [];
    const without = await said(draft as Snapshot);
    assert.deepEqual(
      without.findings.filter(({ check }) => ['gateway-certificate', 'gateway-names', 'ingress', 'users-service'].includes(check)),
      [],
    );
  });
});

describe('a remedy', () => {
  it('is one of Helm where the chart made the installation', async () => {
    const draft: Draft = healthy();
    for (const each of draft.installation.workloads.ok)
      each.metadata.annotations = { 'meta.helm.sh/release-name': 'tunnels', 'meta.helm.sh/release-namespace': 'frp-system' };
    draft.gateway.services.ok = [];
    draft.mutating.ok = [];
    const remedies = (await wrongIn(draft as Snapshot)).map(({ remedy }) => remedy ?? '');
    assert.ok(remedies.includes('helm upgrade tunnels charts/frp-k8s --namespace frp-system --reuse-values --set gateway.enabled=true'));
    assert.ok(
      remedies.every((remedy) => !remedy.includes('apply -k')),
      remedies.join('\n'),
    );
  });

  it('makes a Secret that is not there, and allows the use of one that is', async () => {
    const draft: Draft = healthy();
    draft.services.ok[0].spec.security = { authentication: { type: 'token', tokenSecret: 'tokens' } };
    const conditions = draft.services.ok[0].status.conditions as { type: string }[];
    const condition = conditions.find(({ type }) => type === 'ConfigurationValid')!;
    const label = 'kubectl -n shop label secret tokens frp.io/use=true';
    Object.assign(condition, {
      status: 'False',
      reason: 'SecretMissing',
      message: `Secret shop/tokens (spec.security.authentication.tokenSecret) is not there with the label frp.io/use: "true"; create it, or allow its use with: ${label}`,
    });
    const [there] = await wrongIn(draft as Snapshot);
    assert.equal(there?.remedy, label);
    const [absent] = await wrongIn(draft as Snapshot, working({ secretMetadata: () => Promise.resolve({ absent: 'Secret' }) }));
    assert.match(
      absent?.remedy ?? '',
      /^kubectl -n shop create secret generic tokens --from-literal=token=.* && kubectl -n shop label secret tokens/,
    );
  });
});
