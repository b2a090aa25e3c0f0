/**
 * A gateway with many services and members: what the agent needs in memory, when nothing happens, and for a member that goes
 * or comes. Real agent and HAProxy; a stand-in tells of the members, so thousands of them need no thousands of frpc.
 */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { backendName } from '../../../src/gateway/haproxy/config/names.ts';
import { putPod, putService } from '../../gateway/installation.ts';
import { service } from '../../support/services.ts';
import type { StandInMember, StandInMembers } from '../links/stand-in-members.ts';
import { ports, type Installation } from './installation.ts';

export interface FleetSize {
  services: number;
  /** of each service */
  members: number;
}

export interface FleetFigures {
  /** MB, at rest */
  rss: { agent: number; users: number };
  /** share of a core, when nothing happens */
  idle: { agent: number; users: number };
  /** ms of CPU for one member that goes or comes, beside what is needed at rest */
  change: { agent: number; users: number };
  /** ms until HAProxy has it, on average */
  seen: number;
}

const parts = ['agent', 'users'] as const;
const memory = 8 * 2 ** 30;
const rounds = 10;
const idleSeconds = 20;
/** Ten thousand services are read, rendered and checked first. */
const patienceSeconds = 300;
const firstPort = 10_100;
const tenants = 50;
const noCheck = { loadBalancing: { healthCheck: { enabled: false } } };

/** @param standIn what bench.programs.frps is */
export async function measureFleet(bench: Installation, standIn: StandInMembers, size: FleetSize): Promise<FleetFigures> {
  for (let index = 0; index < size.services; index++) {
    putService(bench.api, service(`s${index}`, noCheck, tenantOf(index)));
    for (let at = 0; at < size.members; at++) {
      const { identity, ...rest } = memberOf(size, index, at);
      standIn.add({ identity, ...rest });
      putPod(bench.api, { namespace: identity.namespace, name: identity.pod, uid: identity.uid });
    }
  }
  standIn.write();
  await bench.startGateway(memory, patienceSeconds);
  await untilAnswer(bench, size.services - 1);
  await untilRest(bench);
  const resident = bench.processes.residentMb();
  const idle = await spent(bench, () => sleep(idleSeconds * 1000));
  const changed = memberOf(size, 0, 0);
  const others = Array.from({ length: size.members - 1 }, (_, at) => memberOf(size, 0, at + 1));
  for (const other of others) standIn.remove(other);
  await standIn.tell();
  await untilRest(bench);
  let seen = 0;
  const change = await spent(bench, async () => {
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      standIn.remove(changed);
      await standIn.tell();
      await untilServers(bench, 0);
      standIn.add(changed);
      await standIn.tell();
      await untilServers(bench, 1);
      seen += (performance.now() - start) / (2 * rounds);
      await sleep(1000);
    }
    // What is written down and checked as a whole comes after it.
    await untilRest(bench);
  });
  const of = <T>(read: (part: (typeof parts)[number]) => T) => ({ agent: read('agent'), users: read('users') });
  return {
    rss: of((part) => resident.get(part) ?? 0),
    idle: of((part) => idle.cpu[part] / idle.ms),
    change: of((part) => Math.max(0, change.cpu[part] - (idle.cpu[part] / idle.ms) * change.ms) / (2 * rounds)),
    seen,
  };
}

const tenantOf = (index: number) => `n${index % tenants}`;

function memberOf({ members }: FleetSize, index: number, at: number): StandInMember {
  const number = index * members + at;
  const uid = `3f2a6c1e-0000-4000-8000-${String(number).padStart(12, '0')}`;
  const identity = { cluster: '', namespace: tenantOf(index), pod: `p-${number}`, uid };
  return { service: `s${index}`, identity, port: firstPort + number };
}

async function spent(bench: Installation, work: () => Promise<unknown>) {
  const [before, start] = [bench.processes.cpuMs(), performance.now()];
  await work();
  const after = bench.processes.cpuMs();
  const of = (part: string) => (after.get(part) ?? 0) - (before.get(part) ?? 0);
  return { ms: performance.now() - start, cpu: { agent: of('agent'), users: of('users') } };
}

/** Until the agent has used less than a tenth of a core for three seconds, or a minute has gone by. */
async function untilRest(bench: Installation): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end;) {
    const { ms, cpu } = await spent(bench, () => sleep(3000));
    if (cpu.agent < 0.1 * ms) return;
  }
}

/** Of the service whose member changes. Users are not asked: their requests wait for a member for some seconds. */
async function untilServers(bench: Installation, count: number): Promise<void> {
  const section = backendName(`${tenantOf(0)}/s0`);
  await bench.eventually(`service s0 has ${count} servers`, async () => (await bench.serversUp(section)).size === count, 60, 5);
}

async function untilAnswer(bench: Installation, index: number): Promise<void> {
  const host = `s${index}.example.com`;
  await bench.eventually(`${host} answers`, async () => (await statusOf(host)) === 200, patienceSeconds, 250);
}

/** 0 where nobody answers. */
function statusOf(host: string): Promise<number> {
  return new Promise((resolve) => {
    const asked = request({ host: '127.0.0.1', port: ports.http, headers: { host }, agent: false }, (answer) => {
      answer.resume().once('close', () => resolve(answer.statusCode ?? 0));
    });
    asked.once('error', () => resolve(0)).end();
  });
}
