#!/usr/bin/env node
import { ExitCode, RunError } from '../../lib/errors.js';
import { exitCodeOf, reportError } from './exit.js';
import { openTerminal } from './output/terminal.js';
import { buildProgram } from './program.js';

// Notices for the authors of libraries, such as of an IP address that is called over TLS, tell a user nothing.
process.noDeprecation = true;
const terminal = openTerminal(process, (error) => {
  reportError(new RunError(`cannot write the output: ${error.message}`), terminal.err, false);
  process.exit(ExitCode.failed);
});
const program = buildProgram(terminal);
try {
  await program.parseAsync();
  process.exitCode = ExitCode.done;
} catch (error) {
  reportError(error, terminal.err, program.opts<{ verbose?: boolean }>().verbose === true);
  process.exitCode = exitCodeOf(error);
}
