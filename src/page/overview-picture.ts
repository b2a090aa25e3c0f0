/** Which clusters dial which gateways, and how many backends are behind each. */
import { countText } from '../explain/numbers.ts';
import type { Overview } from './model.ts';
import type { Box, Edge, Picture } from './picture.ts';

const mostBoxes = 12;

/** A gateway that is in this cluster has replicas that answer; one elsewhere is known by its link. */
export function overviewPicture({ own, replicas, links, services }: Overview): Picture {
  const edges: Edge[] = [];
  const clusters = new Map<string, Box>();
  const gateways = new Map<string, Box>();
  const clusterBox = (name: string, isBad: boolean) => {
    const id = `k/${name}`;
    const known = clusters.get(id);
    clusters.set(id, { id, title: name, detail: known?.detail ?? '', isBad: isBad || (known?.isBad ?? false) });
    return id;
  };
  for (const { replica, answer } of replicas) {
    const registered = answer.clusters.reduce((sum, each) => sum + each.registered, 0);
    gateways.set(`g/${replica}`, { id: `g/${replica}`, title: replica, detail: countText(registered, 'tunnel') });
    for (const { cluster = own, up, registered: of } of answer.clusters)
      edges.push({ from: clusterBox(cluster, up < of), to: `g/${replica}`, label: `${up} of ${of} up`, isBad: up < of });
  }
  for (const { cluster, gateway, isUp } of links) {
    if (replicas.length > 0) {
      // A cluster that has joined and has no backend yet.
      clusterBox(cluster, !isUp);
      continue;
    }
    gateways.set(`g/${gateway}`, { id: `g/${gateway}`, title: gateway, detail: 'elsewhere', isBad: !isUp });
    edges.push({ from: clusterBox(cluster, !isUp), to: `g/${gateway}`, label: isUp ? 'link up' : 'link down', isBad: !isUp });
  }
  const users: Box = { id: 'u', title: 'Users', detail: `of ${countText(services.length, 'service')}` };
  const gatewayBoxes = bounded([...gateways.values()], 'gateways');
  return {
    title: 'Clusters dial gateways; users come to gateways',
    columns: [
      {
        title: 'Clusters',
        boxes: bounded(
          [...clusters.values()].map((each) => withDetail(each, edges)),
          'clusters',
        ),
      },
      { title: 'Gateway', boxes: gatewayBoxes },
      { title: 'Users', boxes: gatewayBoxes.length === 0 ? [] : [users] },
    ],
    edges: [...edges, ...gatewayBoxes.map(({ id }): Edge => ({ from: id, to: 'u', label: '' }))],
  };
}

/** Of each replica the same backends. */
function withDetail(box: Box, edges: readonly Edge[]): Box {
  const tunnels = edges.filter(({ from }) => from === box.id);
  return { ...box, detail: tunnels.length === 0 ? 'no tunnel' : `dials ${countText(tunnels.length, 'gateway')}` };
}

function bounded(boxes: readonly Box[], noun: string): Box[] {
  if (boxes.length <= mostBoxes) return [...boxes];
  const rest = boxes.length - mostBoxes + 1;
  const isBad = boxes.slice(mostBoxes - 1).some((each) => each.isBad);
  return [...boxes.slice(0, mostBoxes - 1), { id: 'rest', title: `and ${rest} more ${noun}`, detail: '', isBad }];
}
