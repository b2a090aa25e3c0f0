/** The controller's web page: what it knows, and what the replicas of a gateway in its cluster answer. */
import type { OpenPage } from '../controller/run.ts';
import type { Observed } from '../controller/observed.ts';
import { UserError } from '../errors.ts';
import { directVoice } from '../explain/gateway-voice.ts';
import type { Reach } from '../explain/reach.ts';
import { hasGateway } from '../model/gateway.ts';
import { gatewayName } from '../model/names.ts';
import { kubeAuthorize } from '../page/authorize.ts';
import type { LinkRow } from '../page/model.ts';
import { createPage } from '../page/server.ts';
import { sourceOf } from '../page/source.ts';

/** Port forwards come to the loopback of the Pod, and nobody else does: no token crosses a network in the clear. */
const loopback = '127.0.0.1';

/** @throws UserError where the port is taken */
export const openControllerPage: OpenPage = async (controller, { client, config, log }) => {
  const observed = controller.observed();
  const page = createPage({
    source: sourceOf({
      title: `installation ${config.namespace}`,
      reach: () => reachOf(observed, hasGateway(config)),
      cluster: {
        config,
        services: () => controller.services.all(),
        service: (key) => controller.services.byKey(key),
        certificates: () => observed.certificates(),
        links: () => linksOf(observed),
      },
    }),
    authorize: kubeAuthorize(client),
    log,
  });
  const port = config.controller.page?.port ?? 0;
  try {
    log.info({ host: loopback, port: await page.listen(loopback, port) }, 'the page is served');
  } catch (error) {
    throw new UserError(`${(error as Error).message}; set another controller.page.port in the configuration`, { cause: error });
  }
  return page;
};

function reachOf(observed: Observed, isConfigured: boolean): Reach {
  const way = observed.gateway();
  if (way) return { voices: way.urls.map((url, ordinal) => directVoice(`${gatewayName}-${ordinal}`, url, () => way)), problems: [] };
  if (!isConfigured) return { voices: [], problems: [] };
  return {
    voices: [],
    problems: ['request rates and p99 are not known here: the gateway is not in this cluster; ask it with frp-k8s status or its own page'],
  };
}

const linksOf = (observed: Observed): LinkRow[] =>
  observed.links().map(({ gateway, state }) => ({
    cluster: 'this cluster',
    gateway,
    isUp: state.isUp,
    since: new Date(state.since).toISOString(),
    ...(state.isUp ? { detail: `${state.address}, program ${state.program}` } : { reason: state.reason, detail: state.message }),
  }));
