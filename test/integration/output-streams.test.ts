import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fixturePath } from '../parity/fixtures.js';
import { waitUntil } from '../support/wait-until.js';
import { allGone, descendantsOf } from './process-tree.js';
import { startProspect, temporaryDirectory } from './prospect.js';

const cli = fileURLToPath(new URL('../../deploy/cli/main.js', import.meta.url));

test('a reader that goes away, as of "| head", is no error', async () => {
  const { process: child, finished } = startProspect(['--help']);
  child.stdout!.destroy();
  const { code, stderr } = await finished;
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
});

test(
  'output that cannot be written is exit code 1, and one line',
  { skip: !existsSync('/dev/full') },
  async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [cli, '--help'], { stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 1);
    assert.match(stderr, /^error: cannot write the output: ENOSPC[^\n]*\n$/);
  },
);

test('kill -9 of prospect score: the process that computes ends, though it has work for minutes', async (t) => {
  const directory = temporaryDirectory(t);
  const data = join(directory, 'rows.jsonl');
  const ids = Array.from({ length: 60 }, (_, i) => 3 + i);
  writeFileSync(data, `${JSON.stringify({ prompt_ids: ids, completion_ids: ids })}\n`.repeat(20_000));
  const out = join(directory, 'scores.jsonl');
  const args = ['score', '--model', fixturePath('models/llama'), '--data', data, '--out', out];
  const { process: command, finished } = startProspect(args);
  t.after(() => command.kill('SIGKILL'));
  const computing = () =>
    descendantsOf(command.pid!).filter((pid) => mappedFilesOf(pid).includes('libtensorflow'));
  await waitUntil(() => computing().length === 1, 'the process computes', 60_000);
  const below = computing();
  command.kill('SIGKILL');
  await finished;
  await allGone(below, 10_000);
  assert.ok(!existsSync(out));
});

/** The files that a process has in memory; none once it has ended, which may be at any moment. */
function mappedFilesOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/maps`, 'utf8');
  } catch {
    return '';
  }
}
