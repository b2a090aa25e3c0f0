/** Whatever Pods and services are generated, the real frpc accepts every configuration that the injector renders. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { defaultConfig } from '../../../src/config/schema.ts';
import { decidePod } from '../../../webhooks/pods/decide.ts';
import { annotatedPod, gatewayConfig, services } from '../../support/arbitraries.ts';
import { storeOf } from '../../support/services.ts';
import { run } from '../support/run.ts';

const frpc = process.env.FRPC ?? 'frpc';
/** Every rendered frpc configuration of a decision's patch. */
function configurations(patch: readonly { path: string; value?: unknown }[]): string[] {
  const isOurs = (key: string) => /^frp\.io\/frpc(-[0-9]+)?\.json$/.test(key);
  return patch.flatMap(({ path, value }) => {
    const key = path.replace('/metadata/annotations/', '').replaceAll('~1', '/').replaceAll('~0', '~');
    if (isOurs(key)) return [value as string];
    const nested = path === '/metadata/annotations' ? (value as Record<string, string>) : {};
    return Object.entries(nested).flatMap(([name, text]) => (isOurs(name) ? [text] : []));
  });
}

test('frpc verify accepts every rendered configuration', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'frpc-verify-'));
  const file = join(directory, 'frpc.json');
  Object.assign(process.env, {
    POD_NAME: 'web-0',
    POD_UID: '4dd5a1b7-0000-4000-8000-000000000000',
    FRP_GROUP: 'web',
    FRP_GROUP_KEY: 'key',
    FRP_GROUP_KEY_0: 'of web',
    FRP_GROUP_KEY_1: 'of admin',
    FRP_GROUP_KEY_2: 'of mail',
    LOCAL_SERVICE_PORT: '8080',
  });
  let verified = 0;
  try {
    await fc.assert(
      fc.asyncProperty(annotatedPod, services, gatewayConfig, async (pod, known, { gateway }) => {
        const decision = decidePod(pod, {
          namespace: 'shop',
          services: storeOf(...known),
          config: { ...defaultConfig, gateway },
          selectorMode: false,
        });
        for (const text of configurations(decision.patch ?? [])) {
          writeFileSync(file, text);
          const { code, stdout, stderr } = await run(frpc, ['verify', '-c', file]);
          assert.equal(code, 0, `${text}\n${stdout}${stderr}`);
          verified++;
        }
      }),
      { numRuns: 300 },
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
  assert.ok(verified > 100, `only ${verified} configurations were rendered`);
});

test('frpc verify refuses what it does not know, so that accepting means something', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'frpc-verify-'));
  const file = join(directory, 'frpc.json');
  writeFileSync(file, JSON.stringify({ serverAddr: 'a', serverPort: 7000, nonsense: true }));
  const { code } = await run(frpc, ['verify', '-c', file]);
  rmSync(directory, { recursive: true });
  assert.equal(code, 1);
});
