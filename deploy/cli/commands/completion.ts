import { Argument, Command } from 'commander';
import { bashScript } from '../completion/bash.js';
import { commandTree, type CommandNode } from '../completion/command-tree.js';
import { fishScript } from '../completion/fish.js';
import { zshScript } from '../completion/zsh.js';
import type { Terminal } from '../output/terminal.js';

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const satisfies Record<
  string,
  (root: CommandNode) => string
>;

/** @param program whose commands are completed, once all have been added */
export function completionCommand(program: Command, terminal: Terminal): Command {
  return new Command('completion')
    .description('print a script by which a shell completes commands and options')
    .addArgument(new Argument('<shell>', 'for which').choices(Object.keys(scripts)))
    .addHelpText('after', help)
    .action((shell: keyof typeof scripts) => terminal.out.write(scripts[shell](commandTree(program))));
}

const help = `
Examples:
  prospect completion bash > ~/.local/share/bash-completion/completions/prospect
  prospect completion zsh > "\${fpath[1]}/_prospect"
  prospect completion fish > ~/.config/fish/completions/prospect.fish`;
