/** Every reason of every part, with what it means: docs/reference/reasons.md is made of this, and `check` and `explain` link to it. */
import { documentationLink, reasonsPage } from '../../documentation.ts';
import { admissions, denials } from './admission.ts';
import { checkReasons } from './checks.ts';
import { itemRefusals, linkReasons } from './links.ts';
import { requestEnds } from './requests.ts';
import { statusReasons } from './status.ts';
import type { ReasonText } from './text.ts';
import { tunnelRefusals } from './tunnels.ts';

export interface Reason extends ReasonText {
  reason: string;
  /** who says it; several where they mean the same by it */
  parts: readonly string[];
}

const byPart: readonly (readonly [part: string, texts: Readonly<Record<string, ReasonText>>])[] = [
  ['webhook, of a Pod or an object that it refuses', denials],
  ['webhook, of what it lets in', admissions],
  ['status and Events of a service', statusReasons],
  ['gateway, of a sidecar that it turns away', tunnelRefusals],
  ['gateway, of how a request of users ended', requestEnds],
  ['link of a cluster to a gateway elsewhere', linkReasons],
  ['gateway, of what a joined cluster tells it', itemRefusals],
  ['frp-k8s check', checkReasons],
];

/** By reason, in the order of the alphabet. A reason that means different things to different parts is there once for each. */
export const catalogue: readonly Reason[] = byPart
  .flatMap(([part, texts]) => Object.entries(texts).map(([reason, text]) => ({ reason, part, text })))
  .reduce<Reason[]>((all, { reason, part, text }) => {
    const known = all.findIndex((each) => each.reason === reason && each.meaning === text.meaning && each.remedy === text.remedy);
    if (known < 0) all.push({ reason, parts: [part], ...text });
    else all[known] = { ...all[known]!, parts: [...all[known]!.parts, part] };
    return all;
  }, [])
  .sort((a, b) => (a.reason < b.reason ? -1 : Number(a.reason > b.reason)));

const known = new Set(catalogue.map(({ reason }) => reason));

/** Of the page with all reasons (src/documentation.ts). */
export const anchorOf = (reason: string): string => reason.toLowerCase();

/** Where a reason is explained: an address, or a path in the documentation; undefined of no reason of ours. */
export const reasonLink = (reason: string): string | undefined =>
  known.has(reason) ? documentationLink(`${reasonsPage}#${anchorOf(reason)}`) : undefined;
