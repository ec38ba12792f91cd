#!/usr/bin/env node
import { ExitCode } from '../../lib/errors.js';
import { exitCodeOf, reportError } from './exit.js';
import { openTerminal } from './output/terminal.js';
import { buildProgram } from './program.js';

const terminal = openTerminal(process);
const program = buildProgram(terminal);
try {
  await program.parseAsync();
  process.exitCode = ExitCode.done;
} catch (error) {
  reportError(error, terminal.err, program.opts<{ verbose?: boolean }>().verbose === true);
  process.exitCode = exitCodeOf(error);
}
