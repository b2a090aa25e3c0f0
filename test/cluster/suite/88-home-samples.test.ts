/** The samples of a home cluster through the gateway on a VPS, with every field that they set. */
import { after, before, suite } from 'node:test';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { processesOf } from '../../../src/gateway/up/processes.ts';
import { foreign } from '../support/controller.ts';
import { HomeCluster } from '../support/home-cluster.ts';
import { createIssuer } from '../support/issuer.ts';
import { kubectl } from '../support/kubectl.ts';
import { root } from '../support/places.ts';
import { must } from '../support/run.ts';
import { applySamples, sampleNamespaces } from '../support/sample-subjects.ts';
import { sampleTests, type SamplesGateway } from '../support/sample-tests.ts';
import { Vps, vpsAddress } from '../support/vps.ts';

/** Of users; each has one. */
const userAddresses = [21, 22, 23, 24, 25, 26].map((last) => `203.0.113.${last}`);
const skip = foreign || (process.env.FRPK8S_LONG ? false : 'FRPK8S_LONG=1');

suite('the samples of a home cluster through a VPS', { skip }, () => {
  let home: HomeCluster;
  let gateway: SamplesGateway;
  const uninstall = () => must('node', [join(root, 'src/main.ts'), 'uninstall']);

  before(async () => {
    await uninstall();
    await kubectl('delete', 'namespace', 'shop', '--ignore-not-found');
    home = new HomeCluster(await Vps.start());
    await home.vps.closeRouter();
    await home.vps.addresses(...userAddresses);
    await home.followGuide();
    // Of the VPS, which reaches nothing at home.
    const issuer = await createIssuer('web', 'webapp', `http://${vpsAddress}:8090`);
    home.startNode(issuer.source);
    await home.configureUp({ gateway: { allowHttpIssuers: true } });
    await home.configure({ allowHttpIssuers: true });
    await sampleNamespaces();
    await applySamples(issuer);
    gateway = {
      address: vpsAddress,
      port: 8080,
      replicas: [vpsAddress],
      grpcUrl: `http://${vpsAddress}:9090`,
      grpcUsers: () => Promise.resolve(userAddresses.map((localAddress) => ({ localAddress, run: home.node }))),
      issuer,
      config: () => Promise.resolve(readFileSync(join(home.directory, 'run/users/current/haproxy.cfg'), 'utf8')),
      // HAProxy has other processes after a reload; its first one stays.
      running: () => Promise.resolve(processesOf(home.directory).flatMap(({ part, pid, isLeader }) => (isLeader ? [[part, pid]] : []))),
      tcpProxies: () => home.node(`fetch('http://127.0.0.1:7500/api/proxy/tcp').then((answer) => answer.text()).then(console.log)`),
    };
  });
  after(async () => {
    await home?.end();
    await uninstall();
    await kubectl('delete', 'namespace', 'shop', '--ignore-not-found');
  });

  sampleTests(() => gateway);
});
