import type { Command, Option } from 'commander';
import { runFileSchema } from '../../../lib/config/schema.js';

/** A command as shells complete it. */
export interface CommandNode {
  /** Words from the program's name on. */
  readonly path: readonly string[];
  readonly description: string;
  readonly options: readonly OptionNode[];
  readonly commands: readonly CommandNode[];
}

export interface OptionNode {
  /** `--out` */
  readonly flag: string;
  readonly description: string;
  /** Null for an option without a value. */
  readonly value: OptionValue | null;
}

/** What may stand behind an option. */
export type OptionValue =
  | { readonly kind: 'file' | 'directory' | 'anything' }
  | { readonly kind: 'choice'; readonly words: readonly string[] }
  /** One of these words, and more behind it. */
  | { readonly kind: 'prefix'; readonly words: readonly string[] };

/** The tree below a command, from commander's own. */
export function commandTree(command: Command, parents: readonly string[] = []): CommandNode {
  const path = [...parents, command.name()];
  const help = { flag: '--help', description: 'display help', value: null };
  return {
    path,
    description: command.description(),
    options: [...command.options.filter(({ hidden }) => !hidden).map(optionNode), help],
    commands: command.commands.map((child) => commandTree(child, path)),
  };
}

/** A command and all below it. */
export function flatten(node: CommandNode): CommandNode[] {
  return [node, ...node.commands.flatMap(flatten)];
}

function optionNode(option: Option): OptionNode {
  return { flag: option.long ?? option.flags, description: option.description, value: valueOf(option) };
}

function valueOf({ flags, argChoices }: Option): OptionValue | null {
  if (argChoices !== undefined) return { kind: 'choice', words: argChoices };
  const placeholder = /[<[](.+?)[>\]]/.exec(flags)?.[1];
  switch (placeholder) {
    case undefined:
      return null;
    case 'dir':
      return { kind: 'directory' };
    case 'file':
      return { kind: 'file' };
    case 'key=value':
      return { kind: 'prefix', words: Object.keys(runFileSchema.shape).map((key) => `${key}=`) };
    default:
      return { kind: 'anything' };
  }
}
