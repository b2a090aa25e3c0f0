#!/usr/bin/env node
/** The command line. */
import './node-version.ts';
import { commands } from './cli/commands.ts';
import { programVersion } from './version.ts';
import { UserError } from './errors.ts';

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
