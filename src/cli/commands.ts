/** The table of commands. */

export interface Command {
  /** text of `--help`, with examples */
  help: string;
  /** @returns the exit code */
  run(args: string[]): Promise<number>;
  /** by the word that follows the command's */
  subcommands?: Readonly<Record<string, () => Promise<Command>>>;
}

/** By name; each is loaded when it is used. */
export const commands: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  serve: { summary: 'answer admission reviews: the webhooks', load: () => import('./serve.ts') },
  controller: { summary: 'keep the Secrets and the status of DistributedServices', load: () => import('./controller.ts') },
  gateway: {
    summary: 'a gateway on any machine (gateway up), or the agent of the one in the cluster',
    load: () => import('./gateway.ts'),
  },
  join: { summary: 'let this cluster join a gateway elsewhere, with its token', load: () => import('./join.ts') },
  inject: { summary: 'add frpc sidecars to manifests, offline', load: () => import('./inject.ts') },
  uninject: { summary: 'take frpc sidecars out of manifests again', load: () => import('./uninject.ts') },
  validate: { summary: 'check DistributedServices and annotations, offline', load: () => import('./validate.ts') },
  check: { summary: 'what is wrong with an installation and its services, and what to do', load: () => import('./check.ts') },
  explain: { summary: 'why a Pod, a workload, a service or a request is as it is', load: () => import('./explain.ts') },
  status: { summary: 'the installation and its services on one screen', load: () => import('./status.ts') },
  'support-bundle': { summary: 'an archive of what a maintainer needs, without secrets', load: () => import('./support-bundle.ts') },
  migrate: { summary: "make DistributedServices of frpc's configuration files", load: () => import('./migrate.ts') },
  'client-config': { summary: 'configure frpc outside any cluster for a gateway', load: () => import('./client-config.ts') },
  dashboard: {
    summary: 'the web page of an installation; a dashboard for Grafana (dashboard json)',
    load: () => import('./dashboard.ts'),
  },
  rotate: { summary: 'replace a group key or the certificate authority', load: () => import('./rotate.ts') },
  uninstall: { summary: 'remove services, webhooks and the installation from a cluster', load: () => import('./uninstall.ts') },
  completion: { summary: 'complete commands and options in bash, zsh or fish', load: () => import('./completion.ts') },
  demo: { summary: 'show the main job in one minute, without a cluster', load: () => import('./demo.ts') },
};
