/**
 * A load of 200 requests a second through the gateway while everything around it changes, ends or breaks, one after the
 * other (test/soak/run gateway). Each step is told with what was lost and how long answers took, beside the quiet one.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { root, testNamespace } from '../cluster/support/cluster.ts';
import { changes, chaosApp, chaosService, deaths, host, ns } from '../cluster/support/gateway-changes.ts';
import { gatewayInstalled, users, usersAddress } from '../cluster/support/gateway.ts';
import { apply, rolledOut } from '../cluster/support/kubectl.ts';
import { failuresOf, PhasedLoad } from '../cluster/support/phased-load.ts';
import { servedBy } from '../cluster/support/traffic.ts';

const rate = Number(process.env.SOAK_RATE ?? 200);
const rounds = Number(process.env.SOAK_ROUNDS ?? 1);
const say = (text: string): void => console.log(`${new Date().toISOString()} ${text}`);

await gatewayInstalled();
await testNamespace(ns);
await apply(chaosService(), chaosApp(3));
await rolledOut(ns, 'app');
await servedBy(host, 3, users);

// A request to a sidecar that hangs is tried again after 30 s (advanced.timeout.keepAlive): it is late, not lost.
const patience = 45_000;
const address = await usersAddress();
const phases = [];
for (let round = 0; round < rounds; round++)
  for (const step of [...changes, ...deaths]) {
    const load = new PhasedLoad({ address, port: 80, host }, { rate, phase: step.name, timeoutMs: patience });
    await step.run();
    const [phase] = await load.end();
    phases.push(phase!);
    say(
      `${step.name}: ${phase!.answered} of ${phase!.sent}, p50 ${phase!.p50} ms, p99 ${phase!.p99} ms; lost: ${failuresOf([phase!]).join(', ') || 'none'}`,
    );
  }
mkdirSync(`${root}/artifacts`, { recursive: true });
writeFileSync(`${root}/artifacts/soak-gateway.json`, `${JSON.stringify(phases, undefined, 2)}\n`);
const free = new Set(changes.map(({ name }) => name));
if (phases.some(({ name, failures }) => free.has(name) && Object.keys(failures).length > 0)) process.exitCode = 1;
