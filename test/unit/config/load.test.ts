import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { ConfigError, loadConfig } from '../../../src/config/load.ts';
import { defaultConfig } from '../../../src/config/schema.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'frp-k8s-config-'));
after(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(text: string): string {
  const name = path.join(folder, `${files++}.yaml`);
  writeFileSync(name, text);
  return name;
}

/** The error's text, with the file called FILE. */
function errorOf(yaml: string | undefined, environment: Record<string, string> = {}): string {
  const name = yaml === undefined ? undefined : file(yaml);
  try {
    loadConfig(name, environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return name === undefined ? error.message : error.message.replaceAll(name, 'FILE');
  }
  return assert.fail('the configuration was accepted');
}

describe('the configuration', () => {
  it('has a default for everything', () => {
    assert.deepEqual(loadConfig(undefined, {}), defaultConfig);
    assert.deepEqual(loadConfig(file('# nothing yet\n'), {}), defaultConfig);
  });

  it('comes from the file, and the environment goes over it', () => {
    const config = loadConfig(file('port: 9443\nhost: 127.0.0.1\nfrps: { address: frps.example.com }\n'), {
      FRPK8S_PORT: '10443',
      FRPK8S_METRICS_PORT: '10080',
      FRPK8S_LOG_LEVEL: 'debug',
      FRPK8S_SERVICES_DIR: '/services',
      FRPK8S_TLS_CERT_FILE: '/tls.crt',
      FRPK8S_TLS_KEY_FILE: '/tls.key',
    });
    assert.deepEqual(config, {
      ...defaultConfig,
      host: '127.0.0.1',
      port: 10443,
      metricsPort: 10080,
      logLevel: 'debug',
      servicesDir: '/services',
      tls: { certFile: '/tls.crt', keyFile: '/tls.key' },
      frps: { ...defaultConfig.frps, address: 'frps.example.com' },
    });
  });

  it('may have one half of the certificate in the file and the other in the environment', () => {
    const config = loadConfig(file('tls: { certFile: /a.crt }'), { FRPK8S_TLS_KEY_FILE: '/b.key' });
    assert.deepEqual(config.tls, { certFile: '/a.crt', keyFile: '/b.key' });
  });

  it('takes an empty variable for an absent one', () => {
    assert.deepEqual(loadConfig(undefined, { FRPK8S_PORT: '', FRPK8S_SERVICES_DIR: '' }), defaultConfig);
  });

  it('ignores the variables that Kubernetes sets for a Service called frp', () => {
    assert.deepEqual(loadConfig(undefined, { FRP_PORT: 'tcp://10.0.0.1:443', FRPK8S: 'x' }), defaultConfig);
  });
});

describe('a wrong configuration', () => {
  it('is told with all its problems at once, each with its place and what would be right', () => {
    const yaml = `
port: abc
logLevel: loud
sidecr: {}
frps:
  adress: frps.example.com
  maxPoolCount: -1
drainSeconds: 500
certificates: { lifetime: 3 days }
exposure:
  - namespaces: []
    hots: [example.com]
somethingElse: 1
`;
    assert.equal(
      errorOf(yaml, { FRPK8S_METRICS_PORT: '99999', FRPK8S_TLS_KEY_FILE: '/tls.key' }),
      `the configuration is not valid:
  FILE: port: must be a number
  FRPK8S_METRICS_PORT (metricsPort): must be at most 65535
  FILE: logLevel: must be one of trace, debug, info, warn, error
  FILE: drainSeconds: must be at most 300
  FRPK8S_TLS_KEY_FILE is set without tls.certFile; set both (FRPK8S_TLS_CERT_FILE in the environment), or neither for a self-managed certificate
  FILE: frps.maxPoolCount: must be at least 0
  FILE: frps.adress: there is no such key; did you mean address?
  FILE: certificates.lifetime: must be a duration such as 30s, 10m, 720h or 30d
  FILE: exposure[0].namespaces: must not be empty
  FILE: exposure[0].hots: there is no such key; did you mean hosts?
  FILE: sidecr: there is no such key; did you mean sidecar?
  FILE: somethingElse: there is no such key`,
    );
  });

  it('is reported with the kind of value that is expected', () => {
    assert.equal(
      errorOf('tls: x\nhost: 3\nexposure: {}\nport: 3.5\nbaseDomain: ""\n', { FRPK8S_TLS_CERT_FILE: '/a' }),
      `the configuration is not valid:
  FILE: host: must be a text
  FILE: port: must be a whole number
  FILE: tls: must be a mapping
  FILE: baseDomain: must not be empty
  FILE: exposure: must be a list`,
    );
  });

  it('is told by the variable where there is no file', () => {
    assert.equal(
      errorOf(undefined, { FRPK8S_LOG_LEVEL: 'verbose', FRPK8S_TLS_CERT_FILE: '/tls.crt' }),
      `the configuration is not valid:
  FRPK8S_LOG_LEVEL (logLevel): must be one of trace, debug, info, warn, error
  FRPK8S_TLS_CERT_FILE is set without tls.keyFile; set both (FRPK8S_TLS_KEY_FILE in the environment), or neither for a self-managed certificate`,
    );
  });

  it('is told by line where it is not YAML, without quoting the file', () => {
    assert.equal(
      errorOf('logLevel: debug\nhost: "s3cret\n'),
      `the configuration is not YAML:
  FILE: Missing closing "quote at line 3, column 1`,
    );
    assert.match(errorOf('port: 1\nport: 2\n'), /^the configuration is not YAML:\n {2}FILE: Map keys must be unique at line 2, column 1$/);
  });

  it('is reported where it is no mapping', () => {
    assert.equal(errorOf('- port: 1\n'), 'FILE: expected a mapping of configuration keys, such as "logLevel: debug"');
  });

  it('tells lives of certificates that leave no time to renew', () => {
    assert.equal(
      errorOf('certificates:\n  lifetime: 3m\n  renewBefore: 3m\n  authorityLifetime: 2m\n'),
      `the configuration is not valid:
  FILE: certificates.renewBefore: must be shorter than certificates.lifetime; a third of it or less leaves time to renew
  FILE: certificates.authorityLifetime: must be longer than certificates.lifetime; its certificates end with it
  FILE: certificates.authorityLifetime: must be longer than certificates.serverLifetime; its certificates end with it`,
    );
    assert.match(errorOf('certificates: { lifetime: 10s }'), /FILE: certificates\.lifetime: must be at least 1m/);
  });

  it('takes no port from what is not a number', () => {
    for (const port of ['null', 'true', '""', '[]', '"8443"', '0x1g'])
      assert.match(errorOf(`frps: { port: ${port} }\n`), /FILE: frps\.port: must be a number$/, port);
    for (const port of ['true', '0x20fb', '8e3', ' ', '-1'])
      assert.match(errorOf(undefined, { FRPK8S_PORT: port }), /FRPK8S_PORT \(port\): must be a number$/, port);
  });

  it('tells a pause that would end before a Secret is in every process', () => {
    assert.match(
      errorOf('certificates: { rotationPause: 2m }'),
      /FILE: certificates\.rotationPause: must be at least 3m, the time from a Secret/,
    );
    assert.equal(loadConfig(file('certificates: { rotationPause: 3m }'), {}).certificates.rotationPause, 180_000);
  });

  it('never shows a value', () => {
    const text = errorOf('host: [s3cret]\nfrps: s3cret\nlogLevel: s3cret\nport: s3cret\n', { FRPK8S_METRICS_PORT: 's3cret' });
    assert.doesNotMatch(text, /s3cret/);
  });

  it('names a file that cannot be read', () => {
    assert.throws(() => loadConfig('/no/such/file.yaml', {}), {
      name: 'ConfigError',
      message: 'cannot read the configuration file /no/such/file.yaml: ENOENT',
    });
  });
});
