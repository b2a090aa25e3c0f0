import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Finding } from '../../../src/diagnose/finding.ts';
import { printJson, printShort, printText } from '../../../src/diagnose/print.ts';
import { catalogue, reasonLink } from '../../../src/model/reasons/catalogue.ts';

const findings: Finding[] = [
  { category: 'cluster', check: 'api', level: 'ok', reason: 'Fine', message: 'the API server answers' },
  {
    category: 'webhooks',
    check: 'ca-bundle',
    level: 'error',
    reason: 'CaBundleMismatch',
    object: { kind: 'MutatingWebhookConfiguration', name: 'frp-k8s' },
    message: 'it is not ours',
    remedy: 'kubectl get pods',
  },
  { category: 'services', check: 'backends', level: 'warning', reason: 'OfAnother', message: 'evil \u001b[2J\nline' },
  { category: 'services', check: 'x', level: 'unknown', reason: 'NotReadable', message: 'this account may not list pods' },
];
const report = { findings, leftOut: [{ check: 'dry-run', because: 'ca-bundle' }] };

describe('a report', () => {
  it('is text by category, with remedy and reason of what is wrong, and no control characters of others', () => {
    assert.equal(
      printText(report, { isColoured: false, isUnicode: true }),
      `cluster
√ the API server answers

webhooks
× MutatingWebhookConfiguration frp-k8s: it is not ours
    remedy: kubectl get pods
    reason: CaBundleMismatch, see docs/reference/reasons.md#cabundlemismatch

services
‼ evil  [2J line
    reason: OfAnother
? this account may not list pods
    reason: NotReadable, see docs/reference/reasons.md#notreadable

4 checks: 1 error, 1 warning, 1 not known; 1 check left out, which rest on one that failed
`,
    );
  });

  it('has words in the place of signs where a terminal cannot show them, and colours where it can', () => {
    const text = printShort(report, { isColoured: false, isUnicode: false });
    assert.match(text, /^\[fail\] CaBundleMismatch MutatingWebhookConfiguration frp-k8s: it is not ours$/m);
    assert.doesNotMatch(text, /[^\x20-\x7e\n]/);
    assert.ok(printText(report, { isColoured: true, isUnicode: true }).includes('\u001b[31m×'));
  });

  it('is JSON with the exit code, and the page of each reason that has one', () => {
    const value = JSON.parse(printJson(report, 0)) as { version: number; exitCode: number; findings: Record<string, unknown>[] };
    assert.equal(value.version, 1);
    assert.equal(value.exitCode, 1);
    assert.deepEqual(
      value.findings.map(({ link }) => link),
      [undefined, 'docs/reference/reasons.md#cabundlemismatch', undefined, 'docs/reference/reasons.md#notreadable'],
    );
  });
});

describe('the catalogue', () => {
  it('has a sentence for meaning, cause and remedy of every reason, and one page for each', () => {
    assert.ok(catalogue.length > 150);
    for (const { reason, meaning, cause, remedy } of catalogue) {
      assert.match(reason, /^[A-Z][A-Za-z]+$/);
      for (const text of [meaning, cause]) assert.match(text, /^\S.*\.$/, reason);
      assert.notEqual(remedy, '');
      assert.notEqual(reasonLink(reason), undefined);
    }
    assert.equal(reasonLink('NoSuchReason'), undefined);
  });
});
