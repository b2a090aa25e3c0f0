/** The controller's page with its parts, and what `frp-k8s dashboard` says where there is none. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openControllerPage } from '../../../src/cli/controller-page.ts';
import { controllerWay } from '../../../src/cli/dashboard-way.ts';
import { configSchema } from '../../../src/config/schema.ts';
import type { RunningController } from '../../../src/controller/controller.ts';
import { createLog } from '../../../src/log.ts';
import { service, storeOf } from '../../support/services.ts';
import { ApiServer } from '../kube/api-server.ts';

const log = createLog('error');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('the page of the controller', () => {
  let api: ApiServer;
  before(async () => {
    api = await ApiServer.start();
  });
  after(() => api.close());

  const controller: RunningController = {
    services: storeOf(service('web')),
    problem: () => undefined,
    isLeading: () => true,
    observed: () => ({
      certificates: () => [{ name: 'Secret frp-system/frp-ca', subject: 'authority', expires: '2036-01-01T00:00:00.000Z' }],
      links: () => [
        {
          gateway: 'gw.example.com',
          state: { isUp: false, since: 0, address: 'gw.example.com:7000', reason: 'Unreachable', message: 'no route' },
        },
      ],
      gateway: () => undefined,
    }),
    close: () => Promise.resolve(),
  };

  it('shows what the controller knows to whom the API server lets in, and listens on loopback alone', async () => {
    api.intercept = ({ path: at, body }) => {
      const { spec } = body as { spec: { token?: string } };
      if (at.endsWith('/tokenreviews')) {
        const user = spec.token === 'reader' ? { username: 'ann', groups: [] } : undefined;
        return { status: 201, body: { metadata: {}, spec, status: user ? { authenticated: true, user } : {} } };
      }
      return { status: 201, body: { metadata: {}, spec, status: { allowed: true } } };
    };
    const port = await freePort();
    const config = configSchema.parse({ controller: { page: { port } } });
    const page = await openControllerPage(controller, { client: api.client, config, log });
    const shown = async (token: string) => fetch(`http://127.0.0.1:${port}/`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal((await shown('other')).status, 401);
    const text = await (await shown('reader')).text();
    for (const part of ['shop/web', 'Secret frp-system/frp-ca', 'gw.example.com', 'no route', 'the controller has not seen it yet'])
      assert.ok(text.includes(part), part);
    await assert.rejects(openControllerPage(controller, { client: api.client, config, log }), /set another controller.page.port/);
    await page.close();
    await assert.rejects(shown('reader'));
  });
});

describe('frp-k8s dashboard', () => {
  let api: ApiServer;
  const folder = mkdtempSync(path.join(tmpdir(), 'frp-dashboard-'));
  const kubeconfig = path.join(folder, 'kubeconfig');
  const noToken = path.join(folder, 'no-token');
  const config = path.join(folder, 'config.yaml');
  before(async () => {
    api = await ApiServer.start();
    writeFileSync(kubeconfig, api.kubeconfig);
    writeFileSync(noToken, api.kubeconfig.replaceAll('token-1', ''));
    writeFileSync(config, 'controller: {page: {port: 8091}}\n');
  });
  after(() => {
    api.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('says how the page is turned on where it is off', async () => {
    const off = path.join(folder, 'off.yaml');
    writeFileSync(off, '{}\n');
    await assert.rejects(controllerWay({ kubeconfig, config: off }), /serves no page: write "controller: \{page: \{\}\}"/);
  });

  it('comes with the token of the caller', async () => {
    const way = await controllerWay({ kubeconfig, config });
    assert.deepEqual(await way.headers(), { authorization: 'Bearer token-1' });
    way.close();
  });

  it('wants a ServiceAccount where the kubeconfig has no token, and takes a token of it', async () => {
    await assert.rejects(controllerWay({ kubeconfig: noToken, config }), /--service-account NAMESPACE\/NAME/);
    await assert.rejects(controllerWay({ kubeconfig, config, account: 'viewer' }), /must be NAMESPACE\/NAME/);
    api.intercept = ({ path: at, body }) =>
      at === '/api/v1/namespaces/frp-system/serviceaccounts/viewer/token' && (body as { kind: string }).kind === 'TokenRequest'
        ? { status: 201, body: { status: { token: 'of-viewer' } } }
        : undefined;
    const way = await controllerWay({ kubeconfig: noToken, config, account: 'frp-system/viewer' });
    assert.deepEqual(await way.headers(), { authorization: 'Bearer of-viewer' });
    await way.headers();
    assert.equal(api.requests.filter(({ path: at }) => at.endsWith('/token')).length, 1, 'it is asked for once');
    api.intercept = () => undefined;
    way.close();
  });

  it('says that no controller runs where none does', async () => {
    const way = await controllerWay({ kubeconfig, config });
    await assert.rejects(way.connect(), /no Pod of Deployment frp-system\/frp-controller runs/);
    way.close();
  });
});
