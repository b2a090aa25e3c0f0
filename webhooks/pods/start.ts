/** The shell script of a sidecar: it waits for its Secrets and for the app, and becomes frpc. */
import type { Config } from '../../src/config/schema.ts';
import {
  certificateDirectory,
  configPath,
  exportProxy,
  frpsAuthorityPath,
  frpsTokenPath,
  groupKeyFile,
  groupKeyVariable,
  proxyPath,
  sharedProxyPath,
  tokenPath,
  type LocalMember,
} from '../../src/frp/client-config.ts';

interface StartInput {
  members: readonly LocalMember[];
  /** whether the plain frp server is dialled, and not the gateway */
  isPlain: boolean;
  config: Config;
}

export function startOf({ members, isPlain, config }: StartInput): string {
  const tcpPorts = new Set(
    members
      .filter(({ service }) => service.spec.serviceType !== 'udp')
      .flatMap(({ localPort, localPorts }) => (localPorts === undefined ? [localPort] : Object.values(localPorts))),
  );
  const groups = members.map(({ service }) => service.metadata.name);
  const isShared = members.length > 1;
  const plain = () => (isShared ? sharedPlainStart(config.frps, groups) : plainStart(config.frps));
  const start = isPlain ? plain() : gatewayStart(config, isShared);
  const wait = tcpPorts.size === 0 ? [] : isShared || tcpPorts.size > 1 ? awaitPorts([...tcpPorts]) : awaitApp;
  return [...start, ...wait, become].join('\n');
}

const become = `exec frpc -c ${configPath}`;

/**
 * Waits for the Secrets, and then for the app to listen. A container's environment is fixed when it starts, so a group
 * key that the controller makes later is read from the volume; until then the app runs without its tunnel.
 */
export function plainStart(frps: Config['frps']): string[] {
  const key = { what: 'the group key', is: '{ [ "$FRP_GROUP_KEY" ] || [ -s $d/group.key ]; }' };
  return [
    ...opening,
    ...until([...filesOf(frps), key], 'DistributedService $FRP_GROUP'),
    `[ "$FRP_GROUP_KEY" ] || export FRP_GROUP_KEY="$(cat $d/group.key)"`,
    ...(frps.auth === undefined ? [] : endWith(frpsTokenPath)),
  ];
}

const opening = [`trap 'exit 0' TERM`, `d=${certificateDirectory}`];

interface Awaited {
  what: string;
  /** condition of the shell */
  is: string;
}

const filesOf = ({ tls, caSecret, auth }: Config['frps']): Awaited[] => [
  ...(tls === 'mutual' ? [{ what: 'the certificate', is: '[ -s $d/tls.crt ]' }] : []),
  ...(caSecret === undefined ? [] : [{ what: "the server's authority", is: `[ -s ${frpsAuthorityPath} ]` }]),
  ...(auth === undefined ? [] : [{ what: "the server's token", is: `[ -s ${frpsTokenPath} ]` }]),
];

function until(awaited: readonly Awaited[], whose: string): string[] {
  if (awaited.length === 0) return [];
  const listed = awaited
    .map(({ what }) => what)
    .join(', ')
    .replace(/, (?=[^,]*$)/, ' and ');
  return [
    `until ${awaited.map(({ is }) => is).join(' && ')}; do`,
    `[ "$said" ] || echo "waiting for ${listed} of ${whose} (made by frp-k8s controller)"; said=1`,
    `sleep 1`,
    `done`,
  ];
}

/**
 * frpc reads the server's token, and the URL of the proxy, at its start alone: it is started anew for another one. The
 * shell becomes frpc, so its process id is frpc's; of `$$` Kubernetes would leave one `$`.
 */
const endWith = (file: string): string[] => [
  `read -r self rest </proc/self/stat`,
  // Before frpc has it: what changes from here on is seen.
  `was=$(cat ${file})`,
  `(while sleep 5; do now=$(cat ${file} 2>/dev/null); [ -z "$now" ] || [ "$now" = "$was" ] || kill $self; done) &`,
];

/**
 * The same for several groups. frpc reads group keys at its start alone, so it waits half a minute for all of them, and
 * goes on with those that are there. Keys that come later go to another frpc of the same container, which begins no other
 * group (`start` in its configuration), so that the connections of the first one stay.
 */
function sharedPlainStart(frps: Config['frps'], groups: readonly string[]): string[] {
  const all = groups.map((group, index) => `${index}:${group}`).join(' ');
  const file = `$d/${groupKeyFile('${each%%:*}')}`;
  return [
    ...opening,
    ...until(filesOf(frps), sharedBy),
    `keys() { ready= late= missing=; for each; do if [ -s ${file} ]; then ready="$ready $each"; else late="$late $each" missing="$missing \${each#*:}"; fi; done; }`,
    `take() { for each in $ready; do export "${groupKeyVariable('${each%%:*}')}=$(cat ${file})"; done; }`,
    `keys ${all}`,
    `i=0`,
    `until [ -z "$late" ] || { [ "$ready" ] && [ $i -ge 30 ]; }; do`,
    `[ $i -gt 0 ] || echo "waiting for the group keys of DistributedServices$missing (made by frp-k8s controller)"`,
    `i=$((i + 1)); sleep 1; keys ${all}`,
    `done`,
    `[ -z "$late" ] || echo "going on without DistributedServices$missing: they join when their group keys come"`,
    `[ -z "$late" ] || (while [ "$late" ]; do sleep 5; keys $late; [ -z "$ready" ] || (take; while :; do frpc -c ${configPath}; sleep 5; done) & done) &`,
    `take`,
    ...(frps.auth === undefined ? [] : endWith(frpsTokenPath)),
  ];
}

const sharedBy = 'one of DistributedServices $FRP_GROUP';

/** For the gateway, where a token of the Pod stands in for the group key; and there may be a proxy on the way. */
export function gatewayStart({ gateway: { proxySecret } }: Config, isShared = false): string[] {
  const path = isShared ? sharedProxyPath : proxyPath;
  return [
    `trap 'exit 0' TERM`,
    `until [ -s ${certificateDirectory}/tls.crt ] && [ -s ${tokenPath} ]${proxySecret === undefined ? '' : ` && [ -s ${path} ]`}; do`,
    `[ "$said" ] || echo "waiting for the certificate of ${isShared ? sharedBy : 'DistributedService $FRP_GROUP'} (made by frp-k8s controller) and the Pod's token"; said=1`,
    `sleep 1`,
    `done`,
    ...(proxySecret === undefined ? [] : [...endWith(path), exportProxy(path)]),
  ];
}

/**
 * The app starts after its sidecar: without the wait frpc's first health check would always fail, and the second comes
 * one interval later. After 30 s the health check is left to itself. A socket that listens on the port, as the kernel
 * lists it (proc(5), /proc/net/tcp: state 0A): the app is not touched.
 */
const untilListening = (condition: string): string[] => [`i=0`, `until ${condition} || [ $i -ge 150 ]; do i=$((i + 1)); sleep 0.2; done`];

const awaitApp = [
  `listens=":$(printf %04X "$LOCAL_SERVICE_PORT") [0-9A-F]*:0000 0A"`,
  ...untilListening(`grep -qs "$listens" /proc/net/tcp /proc/net/tcp6`),
];

const awaitPorts = (ports: readonly number[]): string[] => [
  `listen() { for port in ${ports.join(' ')}; do grep -qs ":$(printf %04X $port) [0-9A-F]*:0000 0A" /proc/net/tcp /proc/net/tcp6 || return 1; done; }`,
  ...untilListening('listen'),
];
