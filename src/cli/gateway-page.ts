/** The web page of `frp-k8s gateway up`, on the socket that its status is told at: whoever may enter its directory may look. */
import type { Config } from '../config/schema.ts';
import type { GatewayVoice } from '../explain/gateway-voice.ts';
import type { AgentOptions } from '../gateway/agent-options.ts';
import type { Ask } from '../gateway/api/questions.ts';
import { createLog } from '../log.ts';
import { createPage } from '../page/server.ts';
import { sourceOf } from '../page/source.ts';

export const gatewayPage =
  ({ logLevel, gateway: { addresses } }: Config): NonNullable<AgentOptions['page']> =>
  (ask) =>
    createPage({
      source: sourceOf({
        title: `gateway ${addresses[0] ?? 'of this machine'}`,
        reach: () => ({ voices: [ownVoice(ask)], problems: [] }),
      }),
      log: createLog(logLevel),
    }).handle;

/** The agent asks itself. */
export const ownVoice = (ask: Ask): GatewayVoice => ({
  replica: 'gateway',
  ask: async <T>(question: string) => {
    try {
      const answer = await ask(question);
      if (answer?.status === 200) return { ok: answer.value as T };
      return answer?.status === 404 ? { absent: answer.message } : { failed: answer?.message ?? `nothing answers ${question}` };
    } catch (error) {
      return { failed: (error as Error).message };
    }
  },
});
