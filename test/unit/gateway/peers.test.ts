import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PeerAddresses, type Replica } from '../../../src/gateway/replicas/peers.ts';

const replicas: Replica[] = [0, 1].map((ordinal) => ({ name: `gw-${ordinal}`, ordinal, host: `gw-${ordinal}.gw` }));

/** A name server with these answers: an address, or the code of an error. */
function serverOf(answers: Record<string, string>) {
  return (host: string): Promise<{ address: string }> => {
    const answer = answers[host] ?? 'ENOTFOUND';
    return /^E/.test(answer) ? Promise.reject(Object.assign(new Error(answer), { code: answer })) : Promise.resolve({ address: answer });
  };
}

describe('the addresses of replicas', () => {
  it('are listed with the port of peers, and told of as changed once', async () => {
    const peers = new PeerAddresses(serverOf({ 'gw-1.gw': '10.0.0.2', 'gw-0.gw': 'fd00::1' }));
    assert.equal(await peers.refresh(replicas), true);
    assert.deepEqual(peers.peers(), [
      { name: 'gw-0', address: '[fd00::1]:10000' },
      { name: 'gw-1', address: '10.0.0.2:10000' },
    ]);
    assert.equal(await peers.refresh(replicas), false);
  });

  it('follow a replica that has come back with another address', async () => {
    const answers = { 'gw-0.gw': '10.0.0.1' };
    const peers = new PeerAddresses(serverOf(answers));
    await peers.refresh(replicas);
    answers['gw-0.gw'] = '10.0.0.9';
    assert.equal(await peers.refresh(replicas), true);
    assert.deepEqual(peers.peers(), [{ name: 'gw-0', address: '10.0.0.9:10000' }]);
  });

  it('are forgotten when the name is no more, because another Pod may get the address', async () => {
    const answers: Record<string, string> = { 'gw-0.gw': '10.0.0.1', 'gw-1.gw': '10.0.0.2' };
    const peers = new PeerAddresses(serverOf(answers));
    await peers.refresh(replicas);
    delete answers['gw-1.gw'];
    assert.equal(await peers.refresh(replicas), true);
    assert.deepEqual(peers.peers(), [{ name: 'gw-0', address: '10.0.0.1:10000' }]);
    assert.equal(await peers.refresh(replicas), false);
  });

  it('are kept while the name server does not answer', async () => {
    const answers = { 'gw-0.gw': '10.0.0.1' };
    const peers = new PeerAddresses(serverOf(answers));
    await peers.refresh(replicas);
    answers['gw-0.gw'] = 'EAI_AGAIN';
    assert.equal(await peers.refresh(replicas), false);
    assert.deepEqual(peers.peers(), [{ name: 'gw-0', address: '10.0.0.1:10000' }]);
  });
});
