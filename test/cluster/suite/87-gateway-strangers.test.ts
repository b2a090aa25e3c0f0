/** What a Pod without credentials gets at every port of the gateway, and of the rest beside it (docs/guide/security.md). */
import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { testNamespace } from '../support/cluster.ts';
import { gatewayInstalled } from '../support/gateway.ts';
import { apply, rolledOut } from '../support/kubectl.ts';
import { deployment, httpService } from '../support/objects.ts';
import { problemsOf } from '../support/strangers.ts';
import { servedBy } from '../support/traffic.ts';
import { users } from '../support/gateway.ts';

suite('a Pod without credentials, beside a gateway that serves', () => {
  before(async () => {
    await gatewayInstalled();
    const ns = await testNamespace('frp-test-private');
    const host = 'salary.gateway.example.com';
    await apply(httpService(ns, 'salary', host), deployment({ namespace: ns, name: 'salary', frp: { group: 'salary' } }));
    await rolledOut(ns, 'salary');
    await servedBy(host, 1, users);
  });

  for (const part of ['frp-gateway', 'frp-webhook', 'frp-controller', 'frp-server'] as const)
    test(`gets at each port of ${part} what the table says, and the table has every port`, async () => {
      assert.deepEqual(await problemsOf(part, /salary/), []);
    });
});
