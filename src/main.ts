#!/usr/bin/env node
/** The command line: one table of commands, each loaded when it is used. */
import './node-version.ts';
import { programVersion } from './version.ts';
import { UserError } from './errors.ts';

export interface Command {
  /** text of `--help`, with examples */
  help: string;
  /** @returns the exit code */
  run(args: string[]): Promise<number>;
  /** by the word that follows the command's */
  subcommands?: Readonly<Record<string, () => Promise<Command>>>;
}

const commands: Record<string, { summary: string; load: () => Promise<Command> }> = {
  serve: { summary: 'answer admission reviews: the webhooks', load: () => import('./cli/serve.ts') },
  controller: { summary: 'keep the Secrets and the status of DistributedServices', load: () => import('./cli/controller.ts') },
  gateway: {
    summary: 'a gateway on any machine (gateway up), or the agent of the one in the cluster',
    load: () => import('./cli/gateway.ts'),
  },
  join: { summary: 'let this cluster join a gateway elsewhere, with its token', load: () => import('./cli/join.ts') },
  inject: { summary: 'add frpc sidecars to manifests, offline', load: () => import('./cli/inject.ts') },
  uninject: { summary: 'take frpc sidecars out of manifests again', load: () => import('./cli/uninject.ts') },
  validate: { summary: 'check DistributedServices and annotations, offline', load: () => import('./cli/validate.ts') },
  check: { summary: 'what is wrong with an installation and its services, and what to do', load: () => import('./cli/check.ts') },
  explain: { summary: 'why a Pod, a workload, a service or a request is as it is', load: () => import('./cli/explain.ts') },
  status: { summary: 'the installation and its services on one screen', load: () => import('./cli/status.ts') },
  'support-bundle': { summary: 'an archive of what a maintainer needs, without secrets', load: () => import('./cli/support-bundle.ts') },
  migrate: { summary: "make DistributedServices of frpc's configuration files", load: () => import('./cli/migrate.ts') },
  'client-config': { summary: 'configure frpc outside any cluster for a gateway', load: () => import('./cli/client-config.ts') },
  dashboard: {
    summary: 'the web page of an installation; a dashboard for Grafana (dashboard json)',
    load: () => import('./cli/dashboard.ts'),
  },
  rotate: { summary: 'replace a group key or the certificate authority', load: () => import('./cli/rotate.ts') },
  uninstall: { summary: 'remove services, webhooks and the installation from a cluster', load: () => import('./cli/uninstall.ts') },
  demo: { summary: 'show the main job in one minute, without a cluster', load: () => import('./cli/demo.ts') },
};

const usage = `frp-k8s ${programVersion}: frpc sidecars for Kubernetes, by annotation

usage: frp-k8s COMMAND [options]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(15)}${summary}`)
  .join('\n')}

frp-k8s COMMAND --help tells more. Start with:
  frp-k8s demo
  frp-k8s inject -f deployment.yaml --services service.yaml | kubectl apply -f -
`;

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || ['help', '--help', '-h'].includes(name)) {
    process.stdout.write(usage);
    return name === undefined ? 1 : 0;
  }
  if (name === '--version' || name === 'version') {
    process.stdout.write(`${programVersion}\n`);
    return 0;
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!entry) throw new UserError(`there is no command "${name}"; the commands are: ${Object.keys(commands).join(', ')}`);
  let command = await entry.load();
  const [word = ''] = args;
  if (command.subcommands && Object.hasOwn(command.subcommands, word)) {
    command = await command.subcommands[word]!();
    args.shift();
  }
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(command.help);
    return 0;
  }
  return command.run(args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  // What the API server refused, a person can mend as well.
  if (!(error instanceof UserError) && (error as Error).name !== 'KubeError') throw error;
  process.stderr.write(`frp-k8s: ${(error as Error).message}\n`);
  process.exitCode = error instanceof UserError ? error.exitCode : 1;
}
