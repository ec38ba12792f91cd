import assert from 'node:assert/strict';
import type { Command } from 'commander';
import { describe, test } from 'node:test';

import { capturedProgram } from './captured-program.js';

/** Every command that does something, with the words that call it. */
function* commandsOf(
  command: Command,
  path: readonly string[] = [],
): Generator<[readonly string[], Command]> {
  for (const child of command.commands) {
    const words = [...path, child.name()];
    if (child.commands.length === 0) yield [words, child];
    yield* commandsOf(child, words);
  }
}

describe('help', () => {
  for (const [path] of commandsOf(capturedProgram().program)) {
    const words = path.join(' ');
    test(`of ${words}: what it does, every option explained, and examples that name it`, async () => {
      const { program, printed } = capturedProgram();
      await assert.rejects(program.parseAsync([...path, '--help'], { from: 'user' }), { exitCode: 0 });
      const help = printed();
      assert.match(help, new RegExp(`^Usage: prospect ${words}`));
      assert.match(help, new RegExp(`\\nExamples?:\\n(  .*\\n)*  prospect ${words} ?`), help);
    });
  }

  test('of all options: a description', () => {
    for (const [path, command] of commandsOf(capturedProgram().program)) {
      for (const { flags, description } of command.options) {
        assert.notEqual(description, '', `${path.join(' ')} ${flags}`);
      }
    }
  });

  test('tells the exit codes', async () => {
    const { program, printed } = capturedProgram();
    await assert.rejects(program.parseAsync(['--help'], { from: 'user' }));
    for (const code of [/\n {2}0 +done/, /\n {2}1 +failed/, /\n {2}2 +a bad/, /\n {2}130 +interrupted/]) {
      assert.match(printed(), code);
    }
  });
});

describe('a slip of the pen', () => {
  for (const [args, meant] of [
    [['trian', 'run.yaml'], 'train'],
    [['data', 'inspct', 'f'], 'inspect'],
    [['setup', '--chek'], '--check'],
  ] as const) {
    test(`${args.join(' ')}: did you mean ${meant}?`, async () => {
      const { program, printed } = capturedProgram();
      await assert.rejects(program.parseAsync([...args], { from: 'user' }), { exitCode: 1 });
      assert.ok(printed().includes(`(Did you mean ${meant}?)`), printed());
    });
  }
});
