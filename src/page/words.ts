/** Parts of text that every view has: states, reasons, times, numbers. */
import { rateText, secondsText } from '../explain/numbers.ts';
import type { Line } from '../explain/explanation.ts';
import type { ServiceStatus } from '../explain/status.ts';
import { reasonLink } from '../model/reasons/catalogue.ts';
import { html, type Html } from './html.ts';

export type Tone = 'ok' | 'warn' | 'bad' | 'none';

const signs: Readonly<Record<Tone, string>> = { ok: '√', warn: '‼', bad: '×', none: '·' };

/** A word with a sign and a colour: neither alone carries the meaning. */
export const badge = (tone: Tone, word: string): Html =>
  html`<span class="state ${tone}"><span aria-hidden="true">${signs[tone]}</span> ${word}</span>`;

const tones: ReadonlyMap<string, Tone> = new Map(
  Object.entries<Tone>({
    Running: 'ok',
    up: 'ok',
    Degraded: 'warn',
    Pending: 'warn',
    Provisioning: 'warn',
    Updating: 'warn',
    Terminating: 'warn',
    drain: 'warn',
    maint: 'warn',
    starting: 'warn',
  }),
);

/** Of a backend, or of a service by its word alone; a word that is not known is nothing good. */
export const stateBadge = (state: string): Html => badge(tones.get(state) ?? 'bad', state);

/** Whether users get it, and all of its backends serve. */
export const isWell = ({ state, reason }: ServiceStatus): boolean => state === 'Running' && reason === undefined;

/** It may run, and users may not reach it. */
export const serviceBadge = (service: ServiceStatus): Html =>
  service.state === 'Running' && !isWell(service) ? badge('warn', service.state) : stateBadge(service.state);

/** A reason of the catalogue leads to its page. */
export const reasonOf = (reason: string): Html =>
  reasonLink(reason) === undefined ? html`${reason}` : html`<a href="/reasons/${encodeURIComponent(reason)}">${reason}</a>`;

/** Characters: the whole text is in the view of the service. */
const longest = 240;

export const clipped = (text: string): string => (text.length > longest ? `${text.slice(0, longest - 1)}…` : text);

/** @param at RFC 3339 */
export const timeOf = (at: string | undefined): Html =>
  at === undefined ? html`never` : html`<time datetime="${at}">${at.slice(0, 19).replace('T', ' ')}</time>`;

/** A second; `?` where it is not known. */
export const perSecondText = (perSecond: number | undefined): string => (perSecond === undefined ? '?' : rateText(perSecond));

/** @param seconds undefined: there was no request of late, or it is not known */
export const latencyText = (seconds: number | undefined, isKnown = true): string =>
  seconds === undefined ? (isKnown ? '-' : '?') : secondsText(seconds);

const lineTones: Readonly<Record<Line['level'], Tone>> = { ok: 'ok', warning: 'warn', error: 'bad', unknown: 'warn', info: 'none' };
const lineWords: Readonly<Record<Line['level'], string>> = {
  ok: 'good',
  warning: 'warning',
  error: 'wrong',
  unknown: 'not known',
  info: '',
};

/** A line of an explanation. */
export const lineItem = ({ level, text, reason, remedy }: Line): Html =>
  html`<li>
    ${level !== 'info' && badge(lineTones[level], lineWords[level])} ${text}
    ${reason !== undefined && html` <span class="quiet">(${reasonOf(reason)})</span>`}
    ${remedy !== undefined && html`<br /><span class="quiet">→ ${remedy}</span>`}
  </li>`;

/** Of a link within the page. @param key namespace/name */
export const servicePath = (key: string): string => `/services/${key.split('/').map(encodeURIComponent).join('/')}`;
