import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { ServiceFiles } from '../../../src/gateway/sources/service-files.ts';
import { service } from '../../support/services.ts';

it('a service from a file that asks for any port is told to set one, because no controller picks it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'frp-services-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const game = (port: number) => ({ ...service('game', { serviceType: 'tcp', expose: { type: 'port', port } }) });
  const write = (port: number) => writeFileSync(join(directory, `${port}.json`), JSON.stringify(game(port)));
  const files = new ServiceFiles(directory, configSchema.parse({ gateway: { addresses: ['gw-0'] } }));
  write(0);
  const { services, problems } = files.read()!;
  assert.deepEqual(services, []);
  assert.match(problems.join(), /0\.json: DistributedService\/game: spec\.expose: a port that is 0 is picked by the controller/);
  write(5000);
  assert.equal(files.read()!.services.length, 1);
});
