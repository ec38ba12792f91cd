import { CommanderError } from 'commander';
import { ConfigError, ExitCode, messageOf, UserError } from '../../lib/errors.js';
import type { Output } from './output/terminal.js';

/**
 * The user asked to stop (Ctrl-C, SIGTERM), and everything of this command has stopped; or the run that it followed was
 * cancelled.
 */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.badInput;
  if (error instanceof Interrupted) return ExitCode.interrupted;
  return error instanceof ConfigError ? ExitCode.badInput : ExitCode.failed;
}

/**
 * One line on what went wrong; the stack only with `--verbose`. Commander has already printed its own errors.
 * What is no UserError is a defect of Prospect, and is said to be one.
 */
export function reportError(error: unknown, output: Output, verbose: boolean): void {
  if (error instanceof CommanderError) return;
  const { style } = output;
  if (error instanceof Interrupted) output.line(style.yellow(error.message));
  else if (error instanceof UserError) output.line(`${style.red('error:')} ${messageOf(error)}`);
  else output.line(`${style.red('internal error:')} ${messageOf(error)} (a defect; --verbose shows where)`);
  if (verbose && error instanceof Error && error.stack !== undefined) output.line(style.dim(error.stack));
}
