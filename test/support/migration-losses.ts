/** Whether a migration has all that a configuration of frpc means, or names what it lacks. */
import assert from 'node:assert/strict';
import type { JsonObject } from '../../src/model/json.ts';
import type { Assumptions } from '../../src/migrate/draft.ts';
import type { Finding } from '../../src/migrate/findings.ts';
import type { Migration } from '../../src/migrate/migrate.ts';
import { furtherFields, meaningsOf, meaningsOfMigration } from './frp-meaning.ts';

/** What is lost of these fields may take a place or a backend with it. */
const places =
  /^(|type|plugin.*|remotePort|customDomains|subdomain|locations|routeByHTTPUser|localPort|localIP|proxies.*|transport\.bandwidthLimit)$/;

/** @param proxies as frp has read them, those alone that it starts */
export function assertNothingVanishes(migration: Migration, proxies: readonly JsonObject[], { baseDomain, localHost }: Assumptions): void {
  const rendered = meaningsOfMigration(migration);
  const wanted = proxies.flatMap((proxy) => meaningsOf(proxy, baseDomain, localHost));
  for (const { place, backend } of rendered)
    assert.ok(
      wanted.some((meaning) => meaning.place === place && meaning.backend === backend),
      `${place} leads to ${backend}, which frp did not do`,
    );
  for (const proxy of proxies) {
    const findings = findingsOf(migration, String(proxy.name));
    const isMigrated = migration.services.some(({ proxies: names }) => names.includes(String(proxy.name)));
    const lost = findings.filter(({ level, field }) => level === 'lost' && places.test(field));
    for (const meaning of meaningsOf(proxy, baseDomain, localHost)) {
      const same = rendered.filter(({ place, backend }) => place === meaning.place && backend === meaning.backend);
      const told = `${String(proxy.name)}: ${meaning.place} to ${meaning.backend}`;
      if (same.length === 0) assert.ok(lost.length > 0, `${told} has vanished: ${JSON.stringify(findings)}`);
      // Another proxy may have the same place and backend.
      else if (isMigrated) assertSame(told, meaning, same, findings);
    }
    for (const field of isMigrated ? furtherFields(proxy) : [])
      assert.ok(
        findings.some((finding) => finding.field.includes(field)),
        `${String(proxy.name)}: ${field} is named by no finding`,
      );
    if (proxy.httpUser || proxy.httpPassword) assertProtected(migration, String(proxy.name));
  }
}

type Shaped = Record<'check' | 'bandwidth' | 'host' | 'headers', string>;

function assertSame(told: string, wanted: Shaped, found: readonly Shaped[], findings: readonly Finding[]): void {
  for (const [what, field] of [
    ['check', 'healthCheck'],
    ['bandwidth', 'transport.bandwidthLimit'],
    ['host', 'hostHeaderRewrite'],
    ['headers', 'Headers'],
  ] as const) {
    const isNamed = findings.some((finding) => finding.field.includes(field) || finding.field === 'loadBalancer.group');
    assert.ok(
      isNamed || found.some((meaning) => meaning[what] === wanted[what]),
      `${told}: ${what} is ${found[0]![what]}, not ${wanted[what]}`,
    );
  }
}

function assertProtected({ services }: Migration, proxy: string): void {
  for (const { service, proxies } of services)
    if (proxies.includes(proxy))
      assert.equal(((service.spec as JsonObject).security as { authentication: JsonObject }).authentication.type, 'basic');
}

/** Of a proxy: on its services, and where it has none. */
export const findingsOf = ({ services, remarks }: Migration, proxy: string): Finding[] => [
  ...services.filter(({ proxies }) => proxies.includes(proxy)).flatMap(({ findings }) => findings),
  ...remarks.filter(({ subject }) => subject.includes(JSON.stringify(proxy))).flatMap(({ findings }) => findings),
];
