/** Reads the text format of Prometheus (prometheus.io/docs/instrumenting/exposition_formats), of names that are asked for. */
export interface Sample {
  name: string;
  labels: ReadonlyMap<string, string>;
  value: number;
}

/** Of a page: samples of names that are asked for. Of a line: characters, and labels. */
export const longestPage = { samples: 4000, line: 4096, labels: 24 };

/**
 * Lines that cannot be read are left out, so that one of them does not cost the others.
 * @param isWanted names of samples, `_bucket` and the like included
 * @throws Error where there are more samples than it takes
 */
export function samplesIn(text: string, isWanted: (name: string) => boolean): Sample[] {
  const samples: Sample[] = [];
  for (let start = 0; start < text.length;) {
    const next = text.indexOf('\n', start);
    const end = next < 0 ? text.length : next;
    if (end - start <= longestPage.line) {
      const sample = sampleIn(text.slice(start, end), isWanted);
      if (sample && samples.push(sample) > longestPage.samples) throw new Error(`more than ${longestPage.samples} samples`);
    }
    start = end + 1;
  }
  return samples;
}

const nameForm = /^[A-Za-z_:][A-Za-z0-9_:]{0,199}/;

function sampleIn(line: string, isWanted: (name: string) => boolean): Sample | undefined {
  const name = nameForm.exec(line)?.[0];
  if (name === undefined || !isWanted(name)) return undefined;
  const rest = line.slice(name.length);
  const read = rest.startsWith('{') ? labelsIn(rest) : { labels: new Map<string, string>(), end: 0 };
  if (!read) return undefined;
  const [text = ''] = rest.slice(read.end).trim().split(/[ \t]/, 1);
  const value = numberIn(text);
  return value === undefined ? undefined : { name, labels: read.labels, value };
}

/** Nothing that is passed on can be negative or infinite. */
const numberIn = (text: string): number | undefined => {
  if (!/^\+?[0-9.]{1,40}(e[-+]?[0-9]{1,3})?$/i.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
};

const label = /[ ,]*([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"/y;
const end = /[ ,]*\}/y;

/** @param text that begins with a brace @returns where they end */
function labelsIn(text: string): { labels: Map<string, string>; end: number } | undefined {
  const labels = new Map<string, string>();
  for (let at = 1; ; at = label.lastIndex) {
    end.lastIndex = label.lastIndex = at;
    if (end.test(text)) return { labels, end: end.lastIndex };
    const [, name, value = ''] = label.exec(text) ?? [];
    if (name === undefined || labels.size >= longestPage.labels) return undefined;
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    );
  }
}
