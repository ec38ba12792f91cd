import assert from 'node:assert/strict';
import { runCommand } from '../../deploy/tensorflow/command.js';

/** Runs a program that must succeed. @returns what it printed */
export async function succeed(program: string, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runCommand(program, args, process.env);
  assert.equal(exitCode, 0, `${program} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}
