import { flatten, type CommandNode, type OptionNode } from './command-tree.js';

/** A completion script for fish. */
export function fishScript(root: CommandNode): string {
  const lines = flatten(root).flatMap((node) => [
    ...node.commands.map((child) => commandLine(node, child)),
    ...node.options.map((option) => optionLine(node, option)),
  ]);
  return `# fish completion of ${root.path[0]!}\n${lines.join('\n')}\n`;
}

function commandLine(node: CommandNode, child: CommandNode): string {
  return `${begin(node)} -f -a ${quoted(child.path.at(-1)!)} -d ${quoted(child.description)}`;
}

function optionLine(node: CommandNode, { flag, description, value }: OptionNode): string {
  const option = `${begin(node)} -l ${flag.slice(2)} -d ${quoted(description)}`;
  if (value === null) return option;
  switch (value.kind) {
    case 'directory':
      return `${option} -x -a '(__fish_complete_directories)'`;
    case 'file':
      return `${option} -r -F`;
    case 'choice':
    case 'prefix':
      return `${option} -x -a ${quoted(value.words.join(' '))}`;
    case 'anything':
      return `${option} -x`;
  }
}

/** Of a command of which no further one has been typed. */
function begin({ path, commands }: CommandNode): string {
  const [program, ...typed] = path;
  const conditions = typed.map((word) => `__fish_seen_subcommand_from ${word}`);
  if (commands.length > 0) {
    const further = commands.map((child) => child.path.at(-1)!).join(' ');
    conditions.push(`not __fish_seen_subcommand_from ${further}`);
  }
  const condition = conditions.length === 0 ? '' : ` -n ${quoted(conditions.join('; and '))}`;
  return `complete -c ${program!}${condition}`;
}

const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
