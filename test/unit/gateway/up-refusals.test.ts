import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { defaultConfig } from '../../../src/config/schema.ts';
import { lock } from '../../../src/gateway/up/lock.ts';
import { frpsConfig, ports } from '../../../src/gateway/up/layout.ts';
import { checkClock, checkDirectory, checkPorts, checkProgram, checkServices, frps, haproxy } from '../../../src/gateway/up/preflight.ts';
import { agentHangs, wantedPorts } from '../../../src/gateway/up/up.ts';
import { upConfig, type UpOptions } from '../../../src/gateway/up/settings.ts';

const options: UpOptions = {
  directory: '/var/lib/frp-k8s',
  addresses: [],
  services: undefined,
  httpPort: undefined,
  httpsPort: 443,
  tunnelPort: undefined,
  haproxy: undefined,
  frps: undefined,
  drainMs: 0,
  log: undefined,
};

let root: string;
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'up-'))));
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('gateway up refuses a directory', () => {
  it('that others may read', () => {
    chmodSync(root, 0o755);
    assert.throws(() => checkDirectory(root), { message: `${root} holds keys, and others may read it: chmod 700 ${root}` });
  });

  it('of services that is not there, and none where none is named', () => {
    const services = join(root, 'services');
    assert.throws(() => checkServices(services), { message: new RegExp(`^--services ${services}: there is no such directory: mkdir -p`) });
    mkdirSync(services);
    checkServices(services);
    checkServices(undefined);
  });

  it('that has something else in it', () => {
    writeFileSync(join(root, 'notes.txt'), '');
    assert.throws(
      () => checkDirectory(root),
      /is not a gateway's directory: it has notes\.txt and no gateway\.json; name an empty or a new directory/,
    );
  });

  it('that a newer version wrote', () => {
    writeFileSync(join(root, 'gateway.json'), '{"format":2}');
    assert.throws(() => checkDirectory(root), /was written by a newer frp-k8s \(format 2; version .* reads 1\): run that version/);
  });

  it('whose marker is not its own', () => {
    for (const text of ['', '[]', '{"format":"x"}']) {
      writeFileSync(join(root, 'gateway.json'), text);
      assert.throws(() => checkDirectory(root), /gateway\.json is not this program's; name another directory/, text);
    }
  });

  it('whose path is too long for a socket, or has characters that a configuration would need quotes for', () => {
    for (const path of [`/${'a'.repeat(60)}`, '/tmp/my gateway', '/tmp/{{ .Envs.X }}'])
      assert.throws(() => checkDirectory(path), /a directory of at most 60 letters, digits and \. _ - \/ is wanted/, path);
  });

  it('that cannot be made', () => {
    writeFileSync(join(root, 'file'), '');
    assert.throws(() => checkDirectory(join(root, 'file/gw')), /cannot be made \(ENOTDIR\): make it yours \(sudo install -d -m 700/);
  });

  it('that is a file', () => {
    writeFileSync(join(root, 'file'), '');
    assert.throws(() => checkDirectory(join(root, 'file')), {
      message: `${join(root, 'file')} is no directory: name another one with --dir`,
    });
  });

  it('that belongs to another user', { skip: process.getuid?.() !== 0 }, () => {
    chownSync(root, 65_534, 65_534);
    assert.throws(() => checkDirectory(root), /belongs to another user \(65534\), whose gateway it may be: run as that user/);
  });

  it('and takes a new one, which it makes for its user alone, and one of its own', () => {
    checkDirectory(join(root, 'new'));
    mkdirSync(join(root, 'new/identity'));
    writeFileSync(join(root, 'new/gateway.json'), '{"format":1}');
    checkDirectory(join(root, 'new'));
  });

  it('that another gateway up has; one of a process that is no more counts for nothing', () => {
    const unlock = lock(root);
    const held = JSON.parse(readFileSync(join(root, 'up.lock'), 'utf8')) as { pid: number; started: string; boot: string };
    const parent = readFileSync(`/proc/${process.ppid}/stat`, 'utf8');
    const started = parent.slice(parent.lastIndexOf(')') + 2).split(' ')[19]!;
    writeFileSync(join(root, 'up.lock'), JSON.stringify({ ...held, pid: process.ppid, started }));
    assert.throws(() => lock(root), {
      message: `another frp-k8s gateway up (process ${process.ppid}) has ${root}: end it first (kill ${process.ppid}), or name another directory with --dir`,
    });
    for (const stale of [{ pid: process.ppid, started: '1' }, { boot: 'another' }, { pid: 2 ** 22 + 1 }]) {
      writeFileSync(join(root, 'up.lock'), JSON.stringify({ ...held, pid: process.ppid, started, ...stale }));
      lock(root)();
    }
    writeFileSync(join(root, 'up.lock'), 'half of a li');
    lock(root)();
    unlock();
  });
});

describe('gateway up refuses a program', () => {
  const fake = (said: string) => {
    const path = join(root, 'fake');
    writeFileSync(path, `#!/bin/sh\necho '${said}'\n`, { mode: 0o755 });
    return path;
  };

  it('that is missing, with where it comes from', async () => {
    const path = process.env.PATH;
    process.env.PATH = root;
    try {
      await assert.rejects(
        checkProgram({ ...frps(), name: 'frps', path: 'frps' }),
        /^Error: frps is not on the PATH: put frps 0\.70 or newer on the PATH/,
      );
    } finally {
      process.env.PATH = path;
    }
    await assert.rejects(
      checkProgram(haproxy('/nowhere/haproxy')),
      /^Error: there is no program \/nowhere\/haproxy: install HAProxy 2\.6 or newer/,
    );
  });

  it('that is too old', async () => {
    await assert.rejects(
      checkProgram(haproxy(fake('HAProxy version 2.4.22-1 2023'))),
      /is haproxy 2\.4, and 2\.6 is the oldest that works/,
    );
    await assert.rejects(checkProgram(haproxy(fake('HA-Proxy version 1.8.30 2021'))), /is haproxy 1\.8/);
    await assert.rejects(checkProgram(frps(fake('0.61.0'))), /is frps 0\.61, and 0\.70 is the oldest that works/);
  });

  it('that is another program, or cannot be run', async () => {
    await assert.rejects(checkProgram(haproxy(fake('nginx version: 1.29'))), /is not haproxy: it does not tell a version of haproxy/);
    writeFileSync(join(root, 'fake'), '#!/bin/sh\nexit 3\n', { mode: 0o755 });
    await assert.rejects(checkProgram(haproxy(join(root, 'fake'))), /fake cannot be run/);
  });

  it('and takes newer ones', async () => {
    for (const said of ['HAProxy version 2.6.12-1+deb12u4 2025/12/25', 'HAProxy version 3.2.0-1'])
      assert.equal(await checkProgram(haproxy(fake(said))), join(root, 'fake'));
    for (const said of ['0.70.1', '0.71.0', '1.0.0']) assert.equal(await checkProgram(frps(fake(said))), join(root, 'fake'));
  });
});

describe('gateway up refuses', () => {
  it('a clock that is before this program', () => {
    assert.throws(
      () => checkClock(0),
      /^Error: the clock of this machine says 1970-01-01T00:00:00\.000Z.*: set it \(timedatectl set-ntp true/,
    );
    checkClock(Date.parse('2026-06-01'));
  });

  it('a port that is taken, with who has it and how to choose another, and says all at once', async () => {
    const servers = [createServer(), createServer()];
    const taken = await Promise.all(
      servers.map(
        (server) =>
          new Promise<number>((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))),
      ),
    );
    const wanted = [
      { port: taken[0]!, use: 'users, http', option: '--http-port', host: '127.0.0.1' },
      { port: taken[1]!, use: 'its own parts, on loopback', host: '127.0.0.1' },
    ];
    try {
      await assert.rejects(checkPorts(wanted, new Set()), ({ message }: Error) => {
        assert.match(
          message,
          new RegExp(
            `port ${taken[0]} \\(users, http\\) is taken by .+ \\(process ${process.pid}\\): end that program, or choose another port with --http-port`,
          ),
        );
        assert.match(
          message,
          new RegExp(
            `port ${taken[1]} \\(its own parts, on loopback\\) is taken by .*: end that program; a second gateway needs a machine`,
          ),
        );
        return true;
      });
      await checkPorts(wanted, new Set([process.pid]));
    } finally {
      for (const server of servers) server.close();
    }
  });

  it('each port of its own parts that is taken, those of UDP as well, and no port of its own processes', async () => {
    const config = upConfig(defaultConfig, { ...options, addresses: ['gw.example.com'] });
    const { tunnel: _, ...own } = ports;
    assert.deepEqual(
      wantedPorts(config).flatMap(({ port, option, use }) => (option === undefined ? [[port, use]] : [])),
      Object.values(own).map((port) => [port, 'its own parts, on loopback']),
    );
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const wanted = [{ port: socket.address().port, use: 'its own parts, on loopback', host: '127.0.0.1', protocol: 'udp' as const }];
    try {
      await assert.rejects(checkPorts(wanted, new Set()), new RegExp(`is taken by .+ \\(process ${process.pid}\\): end that program`));
      await checkPorts(wanted, new Set([process.pid]));
    } finally {
      socket.close();
    }
  });

  it('one port for two uses, whoever has it, and says which option to change', async () => {
    for (const [more, text] of [
      [{ httpPort: 9000, httpsPort: 9000 }, /port 9000 is wanted twice \(users, http; users, https\): choose another one with --http-port/],
      [{ tunnelPort: 8080 }, /port 8080 is wanted twice \(users, http; tunnels\)/],
      [{ tunnelPort: 10_000 }, /port 10000 is wanted twice \(tunnels; its own parts, on loopback\): choose another one with --tunnel-port/],
    ] as const) {
      const config = upConfig(defaultConfig, { ...options, addresses: ['gw.example.com'], ...more });
      await assert.rejects(checkPorts(wantedPorts(config), new Set()), text);
    }
  });

  it('a port that is taken at the addresses of IPv6 alone', async (t) => {
    const server = createServer();
    const listening = new Promise<number>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: 0, host: '::', ipv6Only: true }, () => resolve((server.address() as { port: number }).port));
    });
    const port = await listening.catch(() => undefined);
    if (port === undefined) return t.skip('the machine has no IPv6');
    try {
      const wanted = [{ port, use: 'tunnels', option: '--tunnel-port', host: '0.0.0.0' }];
      await assert.rejects(checkPorts(wanted, new Set()), new RegExp(`port ${port} \\(tunnels\\) is taken by .*--tunnel-port`));
      await checkPorts(wanted, new Set([process.pid]));
    } finally {
      server.close();
    }
  });

  it('to be without an address, and one that is none', () => {
    assert.throws(
      () => upConfig(defaultConfig, options),
      /--address is missing: the name or IP address by which clients reach this machine/,
    );
    for (const address of ['gw:7000', 'http://gw', 'a b', ''])
      assert.throws(
        () => upConfig(defaultConfig, { ...options, addresses: [address] }),
        /must be a name such as gw\.example\.com or an IP address/,
        address,
      );
    const { gateway } = upConfig(defaultConfig, { ...options, addresses: ['gw.example.com', '2001:db8::1'] });
    assert.deepEqual([gateway.addresses, gateway.httpPort, gateway.httpsPort], [['gw.example.com:7000', '[2001:db8::1]:7000'], 8080, 443]);
    assert.ok(gateway.reservedPorts.includes(7400));
  });
});

it("frps has the configuration that it has in the gateway's Pod", () => {
  const lines = (text: string) => text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const manifest = readFileSync(new URL('../../../manifests/gateway/frps.toml', import.meta.url), 'utf8');
  assert.deepEqual(lines(frpsConfig('frp.io/gateway')), lines(manifest));
});

it('an agent hangs when it has stopped to say that it works, and not while it starts', () => {
  const started = 1_000_000;
  assert.equal(agentHangs(started, { beat: started - 3000, looks: 100 }, started + 50_000), false, 'the beat is that of the one before');
  assert.equal(agentHangs(started, { beat: started - 3000, looks: 122 }, started + 61_000), true);
  assert.equal(agentHangs(started, { beat: started + 20_000, looks: 8 }, started + 24_000), false);
  assert.equal(agentHangs(started, { beat: started + 20_000, looks: 12 }, started + 26_000), true);
  const starved = { beat: started + 20_000, looks: 2 };
  assert.equal(agentHangs(started, starved, started + 26_000), false, 'the supervisor was late too');
});
