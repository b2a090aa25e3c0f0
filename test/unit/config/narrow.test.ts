/** What the configuration says of narrow networks: a proxy on the way, and a port that tunnels share with users. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema } from '../../../src/config/schema.ts';
import { clientSettings } from '../../../src/frp/client-config.ts';
import { sharedPortOf } from '../../../src/gateway/run.ts';
import { toFrpJson } from '../../../src/frp/template.ts';
import { gatewayAddresses } from '../../../src/model/gateway.ts';
import { tuningOf } from '../../../src/frp/tuning.ts';

const tuning = tuningOf({} as Parameters<typeof tuningOf>[0], undefined, { cpu: undefined, memory: undefined });

test('sidecars dial the gateway by the proxy of the configuration, and a plain frp server without it', () => {
  const config = configSchema.parse({ gateway: { addresses: ['gw.example.com'], tunnelPort: 443, proxyURL: 'http://proxy:3128' } });
  const [gateway] = gatewayAddresses(config);
  const text = toFrpJson(clientSettings({ tuning, logLevel: 'info', gateway }, config));
  assert.match(text, /"proxyURL":"http:\/\/proxy:3128"/);
  assert.match(text, /"serverPort":443/);
  assert.doesNotMatch(toFrpJson(clientSettings({ tuning, logLevel: 'info' }, config)), /proxyURL/);
});

test('a proxy with user and password is refused, and the refusal does not have them', () => {
  for (const proxyURL of [
    'http://me:secret@proxy:3128',
    'socks4://proxy:1080',
    'ntlm://proxy:3128',
    'http://proxy',
    'http://proxy:3128/{{ .Envs.X }}',
  ]) {
    const { success, error } = configSchema.safeParse({ gateway: { proxyURL } });
    assert.equal(success, false, proxyURL);
    assert.match(error.message, /must be http:\/\/HOST:PORT or socks5:\/\/HOST:PORT, without user and password/);
    assert.doesNotMatch(error.message, /secret/);
  }
});

test('the port that tunnels and users of a cluster’s gateway share is none of users alone', () => {
  const of = (gateway: object) => sharedPortOf(configSchema.parse({ gateway }));
  assert.deepEqual([of({}), of({ tunnelPort: 443 })], [undefined, 443]);
  assert.throws(() => of({ tunnelPort: 8443 }), /gateway\.tunnelPort 8443 is a port of users .* name another one, such as 443/);
});
