import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';

import { commandTree, flatten, type CommandNode } from '../../../../../deploy/cli/completion/command-tree.js';
import { fishScript } from '../../../../../deploy/cli/completion/fish.js';
import { zshScript } from '../../../../../deploy/cli/completion/zsh.js';
import { temporaryDirectory } from '../../../coordinator/data/tiny-model.js';
import { capturedProgram } from '../captured-program.js';

/** The script as it is printed. */
async function scriptOf(shell: string): Promise<string> {
  const { program, printed } = capturedProgram();
  await program.parseAsync(['completion', shell], { from: 'user' });
  return printed();
}

describe('bash completes', () => {
  let script: string;
  before(async () => {
    script = await scriptOf('bash');
  });

  /** What the last word of the line may become. */
  function complete(line: string, cwd?: string): string[] {
    const words = line.split(' ');
    const run = `compopt() { :; }
complete() { :; }
${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length - 1}
_prospect
printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', run], { encoding: 'utf8', cwd })
      .split('\n')
      .filter((word) => word !== '')
      .sort();
  }

  for (const [line, expected] of [
    ['prospect tr', ['train']],
    ['prospect data ', ['--help', 'convert', 'inspect']],
    ['prospect data con', ['convert']],
    ['prospect --verb', ['--verbose']],
    ['prospect train run.yaml --s', ['--set', '--skip-bad-rows']],
    ['prospect data convert --to ', ['binary', 'preference', 'score']],
    ['prospect data convert in --to bin', ['binary']],
    ['prospect train run.yaml --set learning', ['learning_rate=']],
    ['prospect train run.yaml --workers ', []],
    ['prospect nonsense --', ['--help', '--verbose', '--version']],
  ] as const) {
    test(`"${line}"`, () => assert.deepEqual(complete(line), expected));
  }

  test('directories and files behind the options that take them', (t) => {
    const directory = temporaryDirectory(t);
    mkdirSync(join(directory, 'a model'));
    writeFileSync(join(directory, 'a file'), '');
    assert.deepEqual(complete('prospect score --model ', directory), ['a model']);
    assert.deepEqual(complete('prospect score --data ', directory), ['a file', 'a model']);
  });
});

describe('the scripts of zsh and fish', () => {
  const root = commandTree(capturedProgram().program);

  test('have a function for each command in zsh, which offers its options and commands', async () => {
    const script = await scriptOf('zsh');
    assert.equal(script, zshScript(root));
    for (const node of flatten(root)) {
      const body =
        new RegExp(`^_${node.path.join('_').replaceAll('-', '_')}\\(\\) \\{$(.*?)^\\}$`, 'ms').exec(
          script,
        )?.[1] ?? '';
      for (const word of wordsOf(node)) assert.ok(body.includes(word), `${node.path.join(' ')}: ${word}`);
    }
    assert.ok(script.includes("'--model[Hugging Face directory]:directory:_files -/'"));
  });

  test('have a line for each command and option in fish', async () => {
    const script = await scriptOf('fish');
    assert.equal(script, fishScript(root));
    const expected = flatten(root).flatMap(wordsOf).length;
    assert.equal(script.match(/^complete -c prospect/gm)!.length, expected);
    assert.ok(
      script.includes(
        "-n '__fish_seen_subcommand_from data; and __fish_seen_subcommand_from convert' -l to ",
      ),
    );
  });
});

const wordsOf = ({ commands, options }: CommandNode) => [
  ...commands.map(({ path }) => path.at(-1)!),
  ...options.map(({ flag }) => flag),
];

test('an unknown shell is refused, and the known ones are named', async () => {
  const { program, printed } = capturedProgram();
  await assert.rejects(program.parseAsync(['completion', 'tcsh'], { from: 'user' }));
  assert.match(printed(), /Allowed choices are bash, zsh, fish/);
});
