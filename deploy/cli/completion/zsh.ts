import { flatten, type CommandNode, type OptionNode } from './command-tree.js';

/** A completion script for zsh: one function for each command. */
export function zshScript(root: CommandNode): string {
  const name = root.path[0]!;
  return `#compdef ${name}
# zsh completion of ${name}
${flatten(root).map(commandFunction).join('\n')}
# Autoloaded, the file is the function; sourced, it registers it.
if [[ $funcstack[1] == ${functionName(root)} ]]; then ${functionName(root)} "$@"; else compdef ${functionName(root)} ${name}; fi
`;
}

function commandFunction(node: CommandNode): string {
  const options = node.options.map((option) => `    ${quoted(specOf(option))} \\`).join('\n');
  if (node.commands.length === 0) {
    return `${functionName(node)}() {
  _arguments \\
${options}
    '*:file:_files'
}`;
  }
  const described = node.commands.map(
    ({ path, description }) => `        ${quoted(`${path.at(-1)!.replaceAll(':', '\\:')}:${description}`)}`,
  );
  const calls = node.commands.map((child) => `        ${child.path.at(-1)!}) ${functionName(child)} ;;`);
  return `${functionName(node)}() {
  local state line
  _arguments -C \\
${options}
    '1: :->command' '*:: :->rest'
  case $state in
    command)
      local -a commands=(
${described.join('\n')}
      )
      _describe command commands ;;
    rest)
      case $words[1] in
${calls.join('\n')}
      esac ;;
  esac
}`;
}

/** `--out=[where it goes]:dir:_files -/` */
function specOf({ flag, description, value }: OptionNode): string {
  const explained = `[${description.replaceAll(/[[\]:\\]/g, '\\$&')}]`;
  if (value === null) return `${flag}${explained}`;
  switch (value.kind) {
    case 'directory':
      return `${flag}${explained}:directory:_files -/`;
    case 'file':
      return `${flag}${explained}:file:_files`;
    case 'choice':
      return `${flag}${explained}:value:(${value.words.join(' ')})`;
    case 'prefix':
      return `*${flag}${explained}:value:{compadd -S "" -- ${value.words.join(' ')}}`;
    case 'anything':
      return `${flag}${explained}:value: `;
  }
}

const functionName = ({ path }: CommandNode) => `_${path.join('_').replaceAll('-', '_')}`;

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
