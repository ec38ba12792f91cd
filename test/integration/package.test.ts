import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import type { CheckReport } from '../../deploy/cli/check/report.js';
import { packagePath } from '../../lib/package.js';
import { fixturePath } from '../parity/fixtures.js';

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(program: string, args: readonly string[], cwd: string): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(program, args, { cwd, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      resolve({
        code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1,
        stdout,
        stderr,
      });
    });
  });
}

async function succeed(program: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, cwd);
  assert.equal(code, 0, `${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const rows = [
  { prompt: 'The cat', completion: ' sat', label: true },
  { prompt: 'A dog', completion: ' ran', label: false },
];

/**
 * What a user gets who has never seen the repository: the tarball, installed into an empty folder. npm takes the other
 * packages from its cache where it has them.
 */
describe('the tarball of npm pack, installed into an empty folder', () => {
  let folder: string;
  let tarball: string;
  /** Runs the installed command line, which may read nothing outside of the folder, nor load native code, nor write. */
  const confined = (...args: string[]): Promise<Finished> => {
    const entry = join(folder, 'node_modules/prospect/dist/deploy/cli/main.js');
    const rights = ['--experimental-permission', `--allow-fs-read=${folder}/`, '--no-warnings'];
    return run(process.execPath, [...rights, entry, ...args], folder);
  };

  before(async () => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'prospect-package-')));
    tarball = await succeed('npm', ['pack', '--silent', '--pack-destination', folder], packagePath('.'));
    const install = ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
    tarball = tarball.trim();
    await succeed('npm', [...install, join(folder, tarball)], folder);
    cpSync(fixturePath('models/llama'), join(folder, 'model'), { recursive: true });
    writeFileSync(join(folder, 'rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    writeFileSync(join(folder, 'run.yaml'), 'method: kto\nmodel: model\ndata: {train: rows.jsonl}\n');
  });
  after(() => rmSync(folder, { recursive: true }));

  test('gives the command prospect', async () => {
    const version = await succeed('npx', ['--no-install', 'prospect', '--version'], folder);
    const manifest = JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as { version: string };
    assert.equal(version.trim(), manifest.version);
  });

  test('prints help and the schema, which is the one beside the examples', async () => {
    const { code, stdout } = await confined('--help');
    assert.equal(code, 0);
    assert.match(stdout, /Usage: prospect/);
    const schema = await confined('schema');
    assert.equal(
      schema.stdout,
      readFileSync(join(folder, 'node_modules/prospect/deploy/run-file.schema.json'), 'utf8'),
    );
  });

  test('checks a run', async () => {
    const { code, stdout, stderr } = await confined('check', 'run.yaml', '--json');
    assert.equal(code, 0, stderr);
    const { stages } = JSON.parse(stdout) as CheckReport;
    assert.equal(stages[0]!.rows.used, rows.length);
  });

  test('brings the examples and what the demo needs, and no tests', async () => {
    const names = await succeed('tar', ['tzf', tarball], folder);
    const files = new Set(
      names
        .trimEnd()
        .split('\n')
        .map((name) => name.replace(/^package\//, '')),
    );
    for (const file of [
      'deploy/examples/kto.yaml',
      'deploy/demo/demo.yaml',
      'deploy/demo/data/sft.jsonl',
      'README.md',
      'LICENSE',
    ]) {
      assert.ok(files.has(file), file);
    }
    assert.deepEqual(
      [...files].filter((file) => /(^|\/)test\//.test(file)),
      [],
    );
  });
});
