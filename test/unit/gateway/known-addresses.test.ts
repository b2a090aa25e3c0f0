import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { knownAddresses } from '../../../src/gateway/up/known-addresses.ts';
import { addressesFile } from '../../../src/gateway/up/layout.ts';

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'addresses-'))));
afterEach(() => rmSync(directory, { recursive: true }));
const addresses = ['gw.example.com:7000', '192.0.2.1:7000'];
const put = (text: string) => writeFileSync(addressesFile(directory), text);

test('the addresses of a gateway that runs are there at once', async () => {
  put(JSON.stringify(addresses));
  assert.deepEqual(await knownAddresses(directory, 0), addresses);
});

test('the addresses of a gateway that has just been started are waited for, and a half-written file is read again', async () => {
  const found = knownAddresses(directory, 60_000);
  put('["gw.exam');
  await new Promise((resolve) => setTimeout(resolve, 150));
  put(JSON.stringify(addresses));
  assert.deepEqual(await found, addresses);
});

test('a directory whose gateway has never been started has none', async () => {
  assert.equal(await knownAddresses(directory, 0), undefined);
});
