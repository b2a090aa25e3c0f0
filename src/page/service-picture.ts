/** The way to a service: backends dial replicas of the gateway, users come to its addresses. */
import { countText } from '../explain/numbers.ts';
import type { BackendReport } from '../gateway/api/report-types.ts';
import type { ServiceView } from './model.ts';
import type { Box, Edge, Picture } from './picture.ts';

const mostBackends = 10;
const mostPlaces = 6;

export function servicePicture(view: ServiceView, key: string): Picture {
  const { left, edges } = view.heard.length > 0 ? measured(view) : bySight(view);
  const gateways = view.heard.map(({ replica, answer }): Box => ({
    id: `g/${replica}`,
    title: replica,
    detail: `${answer.up} of ${answer.registered} up`,
    isBad: answer.up < answer.registered,
  }));
  const places = view.routes.slice(0, mostPlaces).map((route, index): Box => ({ id: `p/${index}`, title: route, detail: 'users' }));
  const more = view.routes.length - places.length;
  const last: Box[] = more > 0 ? [{ id: 'rest', title: `and ${more} more`, detail: '' }] : [];
  const middle: Box[] = gateways.length > 0 ? gateways : [{ id: 'g/', title: 'Gateway', detail: 'is not asked from here' }];
  return {
    title: `Backends of ${key} dial the gateway; users come to its addresses`,
    columns: [
      { title: 'Backends', boxes: left },
      { title: 'Gateway', boxes: middle },
      { title: 'Reached at', boxes: [...places, ...last] },
    ],
    edges: [...edges, ...middle.flatMap(({ id }) => places.map((place): Edge => ({ from: id, to: place.id, label: '' })))],
  };
}

/** Each backend by itself where there are few, else by cluster. */
function measured({ heard }: ServiceView): { left: Box[]; edges: Edge[] } {
  const names = new Set(heard.flatMap(({ answer }) => answer.backends.map(({ cluster = '', pod }) => `${cluster}/${pod}`)));
  const isFew = names.size <= mostBackends;
  const groupOf = ({ cluster, pod }: BackendReport) =>
    isFew ? `${cluster === undefined ? '' : `${cluster}/`}${pod}` : (cluster ?? 'this cluster');
  const left = new Map<string, Box>();
  const edges = heard.flatMap(({ replica, answer }) =>
    [...Map.groupBy(answer.backends, groupOf)].slice(0, mostBackends).map(([group, backends]): Edge => {
      const up = backends.filter(({ state }) => state === 'up').length;
      const id = `k/${group}`;
      const isBad = up < backends.length || (left.get(id)?.isBad ?? false);
      const detail = isFew ? backends[0]!.address : countText(backends.length, 'backend');
      left.set(id, { id, title: group, detail, isBad });
      const label = isFew ? backends[0]!.state : `${up} of ${backends.length} up`;
      return { from: id, to: `g/${replica}`, label, isBad: up < backends.length, isUnlabelled: isFew && up === backends.length };
    }),
  );
  return { left: [...left.values()], edges };
}

/** As the status has them: of each cluster's Pods nothing is known but their health. */
function bySight({ backends }: ServiceView): { left: Box[]; edges: Edge[] } {
  const few = backends.slice(0, mostBackends);
  const left = few.map(({ name, address, isHealthy }, index): Box => ({
    id: `k/${index}`,
    title: name,
    detail: address,
    isBad: !isHealthy,
  }));
  const more = backends.length - few.length;
  return {
    left: more > 0 ? [...left, { id: 'k/rest', title: `and ${more} more`, detail: '' }] : left,
    edges: few.map(({ isHealthy }, index) => ({
      from: `k/${index}`,
      to: 'g/',
      label: isHealthy ? 'healthy' : 'not healthy',
      isBad: !isHealthy,
    })),
  };
}
