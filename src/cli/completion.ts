import { UserError } from '../errors.ts';
import { completionWords } from './completion-words.ts';

export const help = `frp-k8s completion: complete commands and options in a shell

usage: frp-k8s completion bash|zsh|fish

Prints a script for the shell, which asks nothing of this program: it names the commands of this version.

examples:
  source <(frp-k8s completion bash)        # in ~/.bashrc; the same with zsh in ~/.zshrc, after compinit
  frp-k8s completion fish | source         # in ~/.config/fish/config.fish
`;

export function run([shell, ...more]: string[]): Promise<number> {
  const make = shell !== undefined && Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (!make || more.length > 0) throw new UserError('usage: frp-k8s completion bash|zsh|fish');
  process.stdout.write(make());
  return Promise.resolve(0);
}

const scripts: Record<string, () => string> = { bash, zsh: () => `autoload -U +X bashcompinit && bashcompinit\n${bash()}`, fish };

interface Entry {
  /** a command, or a command and its subcommand */
  path: string[];
  subcommands: string[];
  options: string[];
}

const entries = (): Entry[] =>
  Object.entries(completionWords).map(([key, text]) => {
    const words = text.split(' ');
    const isOption = (word: string) => word.startsWith('--');
    return { path: key.split(' '), subcommands: words.filter((word) => !isOption(word)), options: words.filter(isOption) };
  });

const namesOf = (all: readonly Entry[]): string => all.flatMap(({ path }) => (path.length === 1 ? path : [])).join(' ');

/** What is no word of ours is a file, as without a script. */
function bash(): string {
  const all = entries();
  // Those of two words first: they are commands of one as well.
  const cases = [...all]
    .sort((a, b) => b.path.length - a.path.length)
    .map(({ path, subcommands, options }) => {
      const pattern = path.length === 2 ? `'${path.join(' ')}'` : `'${path[0]} '*`;
      const next = subcommands.length === 0 ? '' : ` next='${subcommands.join(' ')}'`;
      return `    ${pattern}) options='${options.join(' ')}'${next} ;;`;
    });
  return `_frp_k8s() {
  local cur=\${COMP_WORDS[COMP_CWORD]} second='' options='' next=''
  [ "$COMP_CWORD" -le 2 ] || second=\${COMP_WORDS[2]}
  COMPREPLY=()
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W '${namesOf(all)} --help --version' -- "$cur"))
    return
  fi
  case "\${COMP_WORDS[1]} $second" in
${cases.join('\n')}
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$options" -- "$cur")) ;;
    *) [ "$COMP_CWORD" != 2 ] || COMPREPLY=($(compgen -W "$next" -- "$cur")) ;;
  esac
}
complete -o default -F _frp_k8s frp-k8s
`;
}

function fish(): string {
  const all = entries();
  const first = `complete -c frp-k8s -n __fish_use_subcommand -f -a '${namesOf(all)}'`;
  const seen = (words: readonly string[]) => `__fish_seen_subcommand_from ${words.join(' ')}`;
  const lines = all.flatMap(({ path: [name = '', next], subcommands, options }) => {
    const at = next !== undefined ? `${seen([name])}; and ${seen([next])}` : seen([name]);
    const alone = subcommands.length === 0 ? at : `${at}; and not ${seen(subcommands)}`;
    const words = subcommands.length === 0 ? [] : [`complete -c frp-k8s -n '${alone}' -f -a '${subcommands.join(' ')}'`];
    return [...words, ...options.map((option) => `complete -c frp-k8s -n '${alone}' -l ${option.slice(2)}`)];
  });
  return `${[first, ...lines].join('\n')}\n`;
}
