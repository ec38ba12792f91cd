import { flatten, type CommandNode, type OptionValue } from './command-tree.js';

/** A completion script for bash. Where no word fits, bash goes on with file names. */
export function bashScript(root: CommandNode): string {
  const name = root.path[0]!;
  const nodes = flatten(root);
  return `# bash completion of ${name}
_${name}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command=${name} word
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$command $word" in
${nodes.slice(1).map(stepInto).join('\n')}
    esac
  done
  case "$command $prev" in
${nodes.flatMap(valueCases).join('\n')}
  esac
  case "$command" in
${nodes.map(wordCase).join('\n')}
  esac
}
complete -o default -F _${name} ${name}
`;
}

function stepInto({ path }: CommandNode): string {
  const words = quoted(path.join(' '));
  return `      ${words}) command=${words} ;;`;
}

function valueCases({ path, options }: CommandNode): string[] {
  return options.flatMap(({ flag, value }) =>
    value === null ? [] : [`    ${quoted([...path, flag].join(' '))}) ${complete(value)}; return ;;`],
  );
}

function complete(value: OptionValue): string {
  switch (value.kind) {
    case 'choice':
      return `COMPREPLY=($(compgen -W ${quoted(value.words.join(' '))} -- "$cur"))`;
    case 'prefix':
      return `compopt -o nospace; COMPREPLY=($(compgen -W ${quoted(value.words.join(' '))} -- "$cur"))`;
    case 'directory':
      return 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur")';
    case 'file':
      return 'compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur")';
    case 'anything':
      return ':';
  }
}

function wordCase({ path, commands, options }: CommandNode): string {
  const words = [...commands.map((child) => child.path.at(-1)!), ...options.map(({ flag }) => flag)];
  return `    ${quoted(path.join(' '))}) COMPREPLY=($(compgen -W ${quoted(words.join(' '))} -- "$cur")) ;;`;
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
