import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, suite, test } from 'node:test';
import { run } from '../../../src/cli/migrate.ts';
import { run as validate } from '../../../src/cli/validate.ts';
import { inProcess, type Result } from '../../support/command.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'frp-k8s-migrate-'));
after(() => rmSync(directory, { recursive: true }));

function write(name: string, text: string): string {
  const location = path.join(directory, name);
  mkdirSync(path.dirname(location), { recursive: true });
  writeFileSync(location, text);
  return location;
}

const migrate = (...args: string[]): Promise<Result> => inProcess(run, args);

const simple =
  'serverAddr = "vps.example.com"\n[[proxies]]\nname = "web"\ntype = "http"\nlocalIP = "10.0.0.1"\nlocalPort = 80\ncustomDomains = ["web.example.com"]\n';

suite('frp-k8s migrate', () => {
  test('ends with 0 where nothing is lost, and validate takes what it printed with the configuration it printed', async () => {
    const file = write('simple.toml', simple.replace('customDomains', 'subdomain = "w"\ncustomDomains'));
    const args = ['-f', file, '--base-domain', 'example.org', '-n', 'home'];
    const { code, stdout, stderr } = await migrate(...args);
    assert.equal(code, 0, stderr);
    const config = write('config.yaml', (await migrate(...args, '-o', 'config')).stdout);
    const validated = await inProcess(validate, ['-f', write('services.yaml', stdout), '--config', config]);
    assert.equal(validated.code, 0, validated.stdout);
  });

  test('ends with 1 and says on stderr what is lost', async () => {
    const { code, stderr } = await migrate('-f', write('lossy.toml', `${simple}hostHeaderRewrite = "not a host"\n`));
    assert.equal(code, 1);
    assert.match(stderr, /^lost: DistributedService "web": hostHeaderRewrite$/m);
  });

  test('ends with 2, with nothing on stdout, for what cannot be read', async () => {
    const large = write('large.toml', `# ${'x'.repeat(1024 * 1024)}\n`);
    const broken = write('broken.toml', 'serverAddr = \n');
    const lost = write('lost.toml', 'serverAddr = "x"\nincludes = ["./nowhere/*.toml"]\n');
    for (const location of [path.join(directory, 'none.toml'), large, broken, lost]) {
      const { code, stdout, stderr } = await migrate('-f', location);
      assert.equal(code, 2, location);
      assert.equal(stdout, '');
      assert.ok(stderr.includes(path.basename(location)), stderr);
    }
  });

  test('reads configurations in every form that ConfigMaps and Secrets hold them in, and tells those of frps apart', async () => {
    const proxy = (name: string, port: number) => ({ name, type: 'tcp', localIP: '10.0.0.1', localPort: port, remotePort: port });
    const json = (name: string, port: number) => JSON.stringify({ proxies: [proxy(name, port)] });
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const frps = '[common]\nbind_port = 7000\nvhost_http_port = 80\nsubdomain_host = example.org\n';
    const objects = [
      {
        kind: 'ConfigMap',
        data: { 'frpc.json': json('one-line', 1), 'note.txt': 'for port: 7000' },
        binaryData: { f: base64(json('binary', 2)) },
      },
      { kind: 'ConfigMap', data: { 'pool.conf': '[pool]\ntype = tcp\nlocal_ip = 10.0.0.1\nlocal_port = 3\nremote_port = 3\n' } },
      {
        kind: 'Secret',
        data: { 'frpc.json': base64(json('secret', 4)) },
        stringData: { 'frpc.yaml': JSON.stringify({ proxies: [proxy('plain', 5)] }) },
      },
      { kind: 'ConfigMap', data: { 'frps.ini': frps, 'frps.toml': 'bindPort = 7000\nvhostHTTPPort = 80\n' } },
    ].map((object, at) => JSON.stringify({ apiVersion: 'v1', metadata: { name: `held-${at}` }, ...object }));
    const { code, stdout, stderr } = await migrate('-f', write('held.yaml', objects.join('\n---\n')), '-f', write('host/frps.ini', frps));
    assert.equal(code, 0, stderr);
    assert.deepEqual([...stdout.matchAll(/^ {2}name: (.*)$/gm)].map(([, name]) => name).sort(), [
      'binary',
      'one-line',
      'plain',
      'pool',
      'secret',
    ]);
    assert.equal(stdout.match(/is a configuration of frps/g)?.length, 3);
    assert.ok(!stdout.includes('neither a DistributedService'), stdout);
    // A Secret's visitors are lost by name, not with the object.
    const visitors = write(
      'visitors.yaml',
      JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: {}, data: { f: base64('[[visitors]]\nname = "v"\ntype = "stcp"\n') } }),
    );
    assert.equal((await migrate('-f', visitors)).code, 1);
  });

  test('reads what a file includes, relative to the file and once, and nothing that an included file includes', async () => {
    write(
      'inc/confd/a.toml',
      'user = "ann"\nincludes = ["../*.toml"]\n[[proxies]]\nname = "a"\ntype = "tcp"\nlocalIP = "10.0.0.1"\nlocalPort = 1\nremotePort = 1001\n',
    );
    symlinkSync('..', path.join(directory, 'inc/confd/up'));
    write('inc/frpc.toml', `includes = ["./confd/*"]\n${simple}`);
    const { code, stdout, stderr } = await migrate('-f', path.join(directory, 'inc'));
    assert.equal(code, 0, stderr);
    assert.equal(stdout.match(/^kind: DistributedService$/gm)?.length, 2);
    assert.match(stdout, /includes files itself/);
    assert.match(stdout.replaceAll(/\n# +/g, ' '), /of a file that is included frp reads the proxies and visitors alone; left out: user -/);
  });

  test('takes variables from --env-file before those of the environment, and names those that are not set', async () => {
    const file = write('env.toml', simple.replace('web.example.com', '{{ .Envs.MIGRATE_DOMAIN }}'));
    const unset = await migrate('-f', file);
    assert.equal(unset.code, 1);
    assert.match(unset.stdout, /MIGRATE_DOMAIN is not set/);
    const { code, stdout } = await migrate('-f', file, '--env-file', write('vars.env', 'MIGRATE_DOMAIN=named.example.com\nOTHER=s3cr3t\n'));
    assert.equal(code, 0);
    assert.match(stdout, /domain: named\.example\.com/);
    assert.ok(!stdout.includes('s3cr3t'));
  });

  test('prints nothing of what a variable that is not set should have been, and leaves the address of the server to a person', async () => {
    const unset = '{{ .Envs.MIGRATE_UNSET }}';
    const server = simple.replace('"vps.example.com"', `"${unset}"\nserverPort = 7001\ntransport.tls.serverName = "${unset}"`);
    const { stdout } = await migrate('-f', write('unset.toml', `${server}requestHeaders.set.x-a = "${unset}"\n`));
    assert.doesNotMatch(stdout, /: <no value>/);
    assert.match(stdout.replaceAll(/\n# +/g, ' '), /TO DO: serverAddr: .*set frps\.address and frps\.port \(7001\) of the configuration/);
    const addressAlone = await migrate('-f', write('unset-address.toml', simple.replace('vps.example.com', unset)));
    assert.equal(addressAlone.code, 0, addressAlone.stdout);
  });

  test('a secret from a variable that is not set loses nothing', async () => {
    const { code, stdout } = await migrate('-f', write('token.toml', `auth.token = "{{ .Envs.MIGRATE_TOKEN }}"\n${simple}`));
    assert.equal(code, 0);
    assert.match(stdout, /TO DO: auth\.token: is in a Secret/);
  });

  test('members of one group in two files are the backends of one service', async () => {
    const member = (ip: string) => `${simple.replace('10.0.0.1', ip)}loadBalancer.group = "g"\n`;
    const files = ['10.0.0.1', '10.0.0.2'].flatMap((ip) => ['-f', write(`member-${ip}.toml`, member(ip))]);
    const { code, stdout } = await migrate(...files);
    assert.equal(code, 0);
    assert.match(stdout, /- host: 10\.0\.0\.1\n +port: 80\n +- host: 10\.0\.0\.2\n/);
  });
});
