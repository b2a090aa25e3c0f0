/** Who may see the page of a cluster: whoever may list DistributedServices of all namespaces, as the API server says. */
import { createHash } from 'node:crypto';
import type { KubeClient } from '../kube/client.ts';
import { fieldManager } from '../kube/managers.ts';
import { subjectAccessReviews, tokenReviews } from '../kube/types.ts';
import { group, plural } from '../model/names.ts';

export type Verdict = { isAllowed: true } | { isAllowed: false; status: 401 | 403 | 503; message: string };

/** @param authorization value of the header; never rejects */
export type Authorize = (authorization: string | undefined) => Promise<Verdict>;

/** Milliseconds that an answer of the API server is good for. */
const keptMs = 10_000;
const mostKept = 256;
/** Reviews under way at a time: whoever comes with ever new tokens takes no more of the API server's time. */
const mostAtOnce = 8;

/** By TokenReview and SubjectAccessReview, which the controller must have the right to create. */
export function kubeAuthorize(client: KubeClient, now: () => number = Date.now): Authorize {
  const known = new Map<string, { until: number; verdict: Promise<Verdict> }>();
  let underWay = 0;
  return async (authorization) => {
    const [, token] = /^Bearer ([\x21-\x7e]{1,16000})$/i.exec(authorization ?? '') ?? [];
    if (token === undefined) return refused(401, 'a bearer token of the cluster is wanted; frp-k8s dashboard adds yours');
    const key = createHash('sha256').update(token).digest('base64');
    const found = known.get(key);
    if (found && now() < found.until) return found.verdict;
    if (underWay >= mostAtOnce) return refused(503, 'too many tokens are being reviewed; try again');
    underWay++;
    const verdict = review(client, token).finally(() => underWay--);
    known.delete(key);
    known.set(key, { until: now() + keptMs, verdict });
    if (known.size > mostKept) known.delete(known.keys().next().value!);
    return verdict;
  };
}

async function review(client: KubeClient, token: string): Promise<Verdict> {
  try {
    const reviewed = await client.create(tokenReviews, { metadata: { name: '' }, spec: { token } }, fieldManager.controller);
    const { authenticated, user } = reviewed.status ?? {};
    if (authenticated !== true || user?.username === undefined)
      return refused(401, 'the API server does not know this token, or it has ended');
    const access = await client.create(
      subjectAccessReviews,
      {
        metadata: { name: '' },
        spec: {
          user: user.username,
          ...(user.uid !== undefined && { uid: user.uid }),
          groups: user.groups ?? [],
          ...(user.extra && { extra: user.extra }),
          resourceAttributes: { group, resource: plural, verb: 'list' },
        },
      },
      fieldManager.controller,
    );
    if (access.status?.allowed === true) return { isAllowed: true };
    return refused(
      403,
      `${user.username} may not list ${plural}.${group} of all namespaces; a ClusterRoleBinding with that right lets it in`,
    );
  } catch (error) {
    return refused(503, `the API server cannot be asked who this is: ${(error as Error).message}`);
  }
}

const refused = (status: 401 | 403 | 503, message: string): Verdict => ({ isAllowed: false, status, message });
