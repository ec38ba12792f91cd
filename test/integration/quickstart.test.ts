import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { packagePath } from '../../lib/package.js';
import { writeTinyModel } from '../../deploy/demo/tiny-model.js';
import { privateCache, temporaryDirectory } from './prospect.js';

interface Block {
  readonly language: string;
  readonly lines: readonly string[];
}

/** The fenced blocks of a page, in order. */
function blocksOf(page: string): Block[] {
  return [...page.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({
    language,
    lines: text.trimEnd().split('\n'),
  }));
}

/** Runs a line of the page in a folder, where `npx prospect` is the compiled command line. Resolves to what it printed. */
function shell(line: string, folder: string): Promise<string> {
  const prospect = `npx() { shift; ${process.execPath} ${packagePath('dist/deploy/cli/main.js')} "$@"; }`;
  const env = { ...process.env, NO_COLOR: '1', ...privateCache() };
  return new Promise((resolve, reject) => {
    execFile('bash', ['-c', `${prospect}\n${line}`], { cwd: folder, env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${line}\n${stderr}`, { cause: error }));
    });
  });
}

/** What a user has after the first step, with a model of half a million random weights in place of the page's. */
async function install(folder: string): Promise<void> {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(packagePath('.'), join(folder, 'node_modules/prospect'));
  await writeTinyModel(join(folder, 'SmolLM2-135M-Instruct'), packagePath('deploy/demo/data'), 1);
}

/**
 * Lines of the page's output that do not depend on the model. An output follows its command, so that the last one to
 * begin with these words is meant.
 */
const sameWithEveryModel = /^(\w+\.csv: |read as: |rows for kto |\d+ rows| {2}\d+: |(Ticket|Stars|Comment) )/;

test('the commands of docs/quickstart.md do what the page says', async (t) => {
  const folder = temporaryDirectory(t);
  await install(folder);
  let printed = '';
  for (const { language, lines } of blocksOf(readFileSync(packagePath('docs/quickstart.md'), 'utf8'))) {
    if (language === 'sh') {
      printed = '';
      for (const line of lines) printed += await shell(line, folder);
    }
    if (language === 'yaml') writeFileSync(join(folder, 'kto.yaml'), `${lines.join('\n')}\n`);
    if (language === 'text') {
      for (const line of lines.filter((shown) => sameWithEveryModel.test(shown))) {
        assert.ok(printed.includes(`${line}\n`), `the page shows what is not printed: ${line}\n${printed}`);
      }
    }
  }
  for (const name of [
    'runs/first/model/adapter_config.json',
    'curves.png',
    'first-merged/model.safetensors',
    'run-file.schema.json',
  ]) {
    assert.ok(existsSync(join(folder, name)), name);
  }
});
