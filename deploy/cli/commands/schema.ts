import { Command } from 'commander';
import { renderJsonSchema } from '../../../lib/config/json-schema.js';
import type { Terminal } from '../output/terminal.js';

export function schemaCommand(terminal: Terminal): Command {
  return new Command('schema')
    .description('print the JSON Schema of run files, by which an editor completes and explains keys')
    .addHelpText('after', help)
    .action(() => terminal.out.write(renderJsonSchema()));
}

const help = `
An editor with yaml-language-server (VS Code's YAML extension, for one) reads the schema that a run file names in its first
line:
  # yaml-language-server: $schema=./run-file.schema.json

Example:
  prospect schema > run-file.schema.json`;
