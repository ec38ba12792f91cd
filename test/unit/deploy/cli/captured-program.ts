import type { Command } from 'commander';
import { createStyle } from '../../../../deploy/cli/output/style.js';
import type { Output } from '../../../../deploy/cli/output/terminal.js';
import { buildProgram } from '../../../../deploy/cli/program.js';

/** The command line, with all that it prints in `printed`. */
export function capturedProgram(): { readonly program: Command; readonly printed: () => string } {
  let text = '';
  const output: Output = {
    style: createStyle(false),
    write: (piece) => void (text += piece),
    line: (line) => void (text += `${line}\n`),
    interactive: false,
    ready: () => Promise.resolve(true),
    columns: () => 80,
  };
  return { program: buildProgram({ out: output, err: output }), printed: () => text };
}
