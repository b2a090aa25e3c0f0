/** Where the documentation is read. Every link to it is made here, from what package.json says of the project. */
import manifest from '../package.json' with { type: 'json' };

/** Of package.json. */
export interface Project {
  /** of the source, such as git+https://github.com/example/frp-k8s.git; its files are read at blob/main */
  repository?: string | { url: string };
  /** where docs/ is read as it is here, if there is no repository */
  homepage?: string;
}

export const reasonsPage = 'docs/reference/reasons.md';
/** What to do when an alert fires. */
export const runbookPage = 'docs/operations/runbook.md';

/** Of the project, for people; undefined: package.json has none. */
export const projectAddress = (project: Project = manifest as Project): string | undefined => project.homepage ?? sourceOf(project);

/**
 * @param page its path here, with its anchor: docs/reference/reasons.md#refused
 * @returns the page's address; the path itself where package.json has neither repository nor homepage
 */
export function documentationLink(page: string, project: Project = manifest as Project): string {
  const source = sourceOf(project);
  if (source !== undefined) return `${source}/blob/main/${page}`;
  return project.homepage === undefined ? page : `${withoutEnd(project.homepage, '/')}/${page}`;
}

function sourceOf({ repository }: Project): string | undefined {
  const url = typeof repository === 'object' ? repository.url : repository;
  return url === undefined ? undefined : withoutEnd(withoutEnd(url.replace(/^git\+/, ''), '/'), '.git');
}

const withoutEnd = (text: string, end: string): string => (text.endsWith(end) ? text.slice(0, -end.length) : text);
