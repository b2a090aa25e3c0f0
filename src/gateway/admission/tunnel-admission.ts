/** Puts the plugin's decisions together with what the agent knows, waits where a watch may be behind, and tells of refusals. */
import type { Log } from '../../log.ts';
import type { RefusalLine } from '../../model/logs/fields.ts';
import {
  identityOf,
  loginContent,
  loginProblem,
  newProxyContent,
  sessionOf,
  wantedProxy,
  withinLimits,
  type CloseProxyContent,
  type LoginContent,
  type NewProxyContent,
  type Eligibility,
} from './plugin-protocol.ts';
import { AdmissionRates } from './admission-rates.ts';
import type { Verified } from './pod-token.ts';
import type { Members } from '../members/members.ts';
import type { Identity } from '../pod-identity.ts';
import { refused, type Refusal } from './refusals.ts';
import type { OpenSessions } from './open-sessions.ts';

export interface AdmissionDeps {
  /** resolves once the watches are in; false where that takes too long */
  isReady: () => Promise<boolean>;
  verify: (token: string) => Promise<Verified>;
  /** what a service of the Pod's namespace may have; waits for one that is not known yet */
  eligibilityOf: (pod: Identity, service: string) => Promise<Eligibility>;
  members: Pick<Members, 'assign' | 'closed' | 'loadOf'>;
  sessions: Pick<OpenSessions, 'take'>;
  /** ends a tunnel, by the address from which HAProxy has it connected to frps */
  endTunnel: (address: string) => void;
  log: Log;
  onRefused: (refusal: Refusal) => void;
  /** @param service undefined: the Pod has logged in */
  onAdmitted: (identity: Identity, service?: string) => void;
}

/** frp's answers: rejected with a reason, changed, or as it was. */
export type Answer =
  { reject: true; reject_reason: string } | { reject: false; unchange: true } | { reject: false; unchange: false; content: object };

type Operation = 'Login' | 'NewProxy';
type Outcome = { ok: true; content: object } | Refusal;

const unchanged: Answer = { reject: false, unchange: true };

export class TunnelAdmission {
  readonly #deps: AdmissionDeps;
  readonly #rates = new AdmissionRates();

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
  }

  /** @param op as frps sends it; others than these three are refused */
  async answer(op: unknown, content: object): Promise<Answer> {
    switch (op) {
      case 'Login':
        return this.#tell('Login', content, await this.#login(content));
      case 'NewProxy':
        return this.#tell('NewProxy', content, await this.#newProxy(content));
      case 'CloseProxy': {
        const { user, proxy_name: name = '' } = content as CloseProxyContent;
        this.#deps.members.closed(name, sessionOf(user));
        return unchanged;
      }
      default:
        return { reject: true, reject_reason: `the gateway's agent does not know the operation ${String(op).slice(0, 100)}` };
    }
  }

  async #login(content: LoginContent): Promise<Outcome> {
    const problem = loginProblem(content);
    if (problem) return problem;
    if (!(await this.#deps.isReady())) return refused('Starting', 'the gateway is starting; frpc tries again');
    const verified = await this.#deps.verify(content.privilege_key ?? '');
    if (!verified.ok) return verified;
    const { identity } = verified;
    const rated = this.#rates.take('logins', identity);
    if (!rated.ok) return { ...rated, about: identity };
    const next = loginContent(content, identity);
    const within = await this.#deps.sessions.take(identity, next.run_id);
    if (within.ok) {
      this.#deps.onAdmitted(identity);
      return { ok: true, content: next };
    }
    // frps ends no more than the stream of a login that is refused.
    if (next.metas.tunnel !== undefined) this.#deps.endTunnel(next.metas.tunnel);
    return { ...within, about: identity };
  }

  async #newProxy(content: NewProxyContent): Promise<Outcome> {
    const { members, eligibilityOf, isReady } = this.#deps;
    const wanted = wantedProxy(content);
    if (!wanted.ok) return wanted;
    if (!(await isReady())) return refused('Starting', 'the gateway is starting; frpc tries again');
    const { identity, session, service } = wanted;
    const about = { ...identity, service };
    const eligibility = await eligibilityOf(identity, service);
    if (!eligibility.ok) return { ...eligibility, about };
    const within = withinLimits(members.loadOf(identity), identity);
    if (!within.ok) return { ...within, about };
    const rated = this.#rates.take('proxies', identity);
    if (!rated.ok) return { ...rated, about };
    const port = members.assign(content.proxy_name!, identity, session);
    if (port === undefined) return refused('NoPort', 'the gateway has no free port', about);
    this.#deps.onAdmitted(identity, service);
    return { ok: true, content: newProxyContent(content, eligibility.service, port) };
  }

  #tell(op: Operation, content: LoginContent & NewProxyContent, outcome: Outcome): Answer {
    if (outcome.ok) return { reject: false, unchange: false, content: outcome.content };
    const { reason, message, about } = outcome;
    this.#deps.onRefused(outcome);
    const { cluster, namespace, pod, service } = about ?? { ...identityOf(content.user), service: undefined };
    // The client's own word; the rest was proven.
    const claim = { proxy: content.proxy_name?.slice(0, 300), hostname: content.hostname?.slice(0, 253) };
    const line: RefusalLine = { event: 'refusal', op, cluster, namespace, pod, service, reason, claim };
    this.#deps.log.warn(line, `refused: ${message}`);
    return { reject: true, reject_reason: `${reason}: ${message}` };
  }
}
