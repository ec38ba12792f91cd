import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { exitCodeOf, reportError } from '../../../../../deploy/cli/exit.js';
import { buildProgram } from '../../../../../deploy/cli/program.js';
import { v1 } from '../../../../../proto/services.js';
import { captureOutput } from '../../../../support/captured-output.js';
import { FakeCoordinator, type Told } from '../../../../support/fake-coordinator.js';
import {
  checkpointOf,
  committed,
  completed,
  metricsOf,
  toState,
  underWay,
} from '../../../../support/told-events.js';
import { writeTinyRun } from '../../../../support/tiny-run.js';
import { waitUntil } from '../../../../support/wait-until.js';
import { temporaryDirectory } from '../../../coordinator/data/tiny-model.js';

const { RunState } = v1;
const patienceMs = 60_000;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command as main.ts runs it, in this process. */
function startCommand(args: readonly string[]) {
  const out = captureOutput();
  const err = captureOutput();
  const run = async (): Promise<number> => {
    try {
      await buildProgram({ out, err }).parseAsync(args, { from: 'user' });
      return 0;
    } catch (error) {
      reportError(error, err, false);
      return exitCodeOf(error);
    }
  };
  const finished: Promise<Ended> = run().then((code) => ({ code, stdout: out.text(), stderr: err.text() }));
  return { finished, seen: () => out.text() + err.text() };
}

/** A coordinator, and commands that ask it. */
async function setUp(t: TestContext) {
  const fake = await FakeCoordinator.start(t);
  process.env['PROSPECT_COORDINATOR'] = fake.address;
  t.after(() => delete process.env['PROSPECT_COORDINATOR']);
  const start = (...args: string[]) => startCommand(args);
  const run = (...args: string[]) => start(...args).finished;
  const json = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await run(...args, '--json');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^[^\n]+\n$/, 'one JSON value');
    return JSON.parse(stdout);
  };
  return { fake, start, run, json };
}

/** A run file with a tiny model and rows of its own. */
function tinyRun(t: TestContext, keys: Readonly<Record<string, unknown>> = {}) {
  const directory = temporaryDirectory(t);
  const { file } = writeTinyRun(directory, { method: 'kto', keys: { max_steps: 3, ...keys } });
  return { directory, file, rows: join(directory, 'rows.jsonl') };
}

function assertError({ code, stdout, stderr }: Ended, expectedCode: number, line: RegExp): void {
  assert.equal(code, expectedCode, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, line);
  assert.match(stderr, /^error: [^\n]*\n$/, 'one line');
}

describe('every command', () => {
  const words: readonly (readonly string[])[] = [
    ['queue'],
    ['status'],
    ['logs', '-f'],
    ['metrics'],
    ['cancel'],
    ['resume', 'x'],
    ['resize', 'x', '--workers', '2'],
  ];

  test('says in a line that no coordinator answers', async (t) => {
    const { fake, run } = await setUp(t);
    const { file } = tinyRun(t);
    fake.stop();
    const expected = new RegExp(
      `no coordinator answers at ${fake.address} .*prospect coordinator --state-dir`,
    );
    for (const args of [...words, ['submit', file]]) assertError(await run(...args), 1, expected);
  });

  test('about a run says in a line that there is none', async (t) => {
    const { run } = await setUp(t);
    for (const args of words.slice(1)) assertError(await run(...args), 2, /no runs yet/);
  });

  test('takes an address, and names it where it says what to do next', async (t) => {
    const { fake, run } = await setUp(t);
    const elsewhere = await FakeCoordinator.start(t);
    elsewhere.addRun({ id: 'run-1' });
    const { stdout } = await run('status', '--coordinator', elsewhere.address);
    assert.match(stdout, new RegExp(`prospect logs run-1 -f --coordinator ${elsewhere.address}\n$`));
    assert.deepEqual(fake.calls, []);
  });

  test('refuses an address that is none', async (t) => {
    const { run } = await setUp(t);
    const given = await run('queue', '--coordinator', 'trainer');
    assert.equal(given.code, 2);
    assert.match(given.stderr, /'--coordinator <host:port>' argument 'trainer' is invalid/);
    process.env['PROSPECT_COORDINATOR'] = 'trainer';
    const fromEnvironment = await run('queue');
    assert.equal(fromEnvironment.code, 2);
    assert.match(fromEnvironment.stderr, /PROSPECT_COORDINATOR/);
  });
});

describe('prospect submit', () => {
  test('checks, uploads, queues and follows a run, and prints where its model is', async (t) => {
    const { fake, start } = await setUp(t);
    const { file, rows } = tinyRun(t);
    const { finished } = start('submit', file);
    await waitUntil(() => fake.submitted.length === 1, 'it is queued', patienceMs);
    fake.tell('run-00000001', ...underWay, committed(1), committed(2), committed(3), completed);
    const { code, stdout, stderr } = await finished;
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'trained model: /out/run-00000001/model\n');
    assert.match(stderr, /uploaded .* in /);
    assert.match(stderr, /queued run-00000001 \(run\)\n/);
    assert.match(stderr, /live page at http:\/\/127\.0\.0\.1:7071\/runs\/run-00000001\n/);
    assert.match(stderr, /kto {2}step 3\/3 {2}loss 0\.5000/);
    const { runYaml, outputDir, skipBadRows, uploads } = fake.submitted[0]!;
    assert.equal(outputDir, '');
    assert.equal(skipBadRows, false);
    assert.ok(runYaml.includes(rows));
    const sha256 = createHash('sha256').update(readFileSync(rows)).digest('hex');
    const sent = uploads.find(({ path }) => path === rows)?.files ?? [];
    assert.deepEqual(
      sent.map((each) => [each.name ?? '', each.sha256]),
      [['', sha256]],
    );
    assert.ok(uploads.some(({ files }) => files?.some(({ name }) => name === 'config.json')));
  });

  test('sends nothing again, calls the run as it is told, and leaves with --no-wait', async (t) => {
    const { fake, run, json } = await setUp(t);
    const { file } = tinyRun(t);
    const first = await run('submit', file, '--no-wait', '--name', 'a name', '--workers', '3');
    assert.equal(first.code, 0, first.stderr);
    assert.equal(first.stdout, 'run-00000001\n');
    assert.match(first.stderr, /prospect logs run-00000001 -f follows it/);
    assert.equal(fake.submitted[0]!.name, 'a name');
    assert.match(fake.submitted[0]!.runYaml, /^workers: 3$/m);
    fake.calls.length = 0;
    const second = (await json('submit', file, '--no-wait')) as { id: string; name: string; state: string };
    assert.deepEqual([second.id, second.name, second.state], ['run-00000002', 'run', 'queued']);
    assert.ok(!fake.calls.includes('putChunk'));
  });

  test('with --dry-run says what would be sent, and sends nothing', async (t) => {
    const { fake, run, json } = await setUp(t);
    const { file, rows, directory } = tinyRun(t);
    fake.about = { sharedRoots: [directory] };
    const { code, stdout, stderr } = await run('submit', file, '--dry-run');
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^${rows} .*used in place$`, 'm'));
    assert.match(stdout, /models\/llama +4 +142 KiB +142 KiB$/m);
    const plan = (await json('submit', file, '--dry-run')) as { sendBytes: number; inputs: unknown[] };
    assert.equal(plan.inputs.length, 2);
    assert.ok(plan.sendBytes > 100_000);
    assert.ok(!fake.calls.includes('putChunk') && fake.submitted.length === 0);
  });

  test('leaves a source to the coordinator, and the check with it', async (t) => {
    const { fake, run } = await setUp(t);
    const { file } = tinyRun(t);
    const planned = await run('submit', file, '--set', 'model=hf:me/tiny', '--dry-run');
    assert.equal(planned.code, 0, planned.stderr);
    assert.match(planned.stdout, /^hf:me\/tiny +fetched by the coordinator$/m);
    assert.match(
      planned.stderr,
      /^not checked here: the coordinator fetches hf:me\/tiny, and checks the run then$/m,
    );
    const sent = await run('submit', file, '--set', 'model=hf:me/tiny', '--no-wait');
    assert.equal(sent.code, 0, sent.stderr);
    const [{ runYaml, uploads }] = fake.submitted as [v1.SubmitRunRequest];
    assert.match(runYaml, /model: hf:me\/tiny$/m);
    assert.equal(uploads.length, 1);
  });

  test('ends as the run does', async (t) => {
    const { fake, start } = await setUp(t);
    const { file } = tinyRun(t);
    const { FAILURE_KIND_CONFIG, FAILURE_KIND_RUNTIME } = v1.FailureKind;
    const endings: readonly [Told, number, RegExp][] = [
      [
        toState(RunState.RUN_STATE_FAILED, { reason: 'no label', failureKind: FAILURE_KIND_CONFIG }),
        2,
        /error: run-00000001 failed: no label\n$/,
      ],
      [
        toState(RunState.RUN_STATE_FAILED, { reason: 'died', failureKind: FAILURE_KIND_RUNTIME }),
        1,
        /error: run-00000002 failed: died; it goes on by prospect resume run-00000002\n$/,
      ],
      [
        toState(RunState.RUN_STATE_CANCELLED, { reason: 'cancelled by request' }),
        130,
        /run-00000003 was cancelled: .*prospect resume run-00000003\n$/,
      ],
    ];
    for (const [i, [end, expectedCode, line]] of endings.entries()) {
      const { finished } = start('submit', file, '--no-check', '--json');
      await waitUntil(() => fake.submitted.length === i + 1, 'it is queued', patienceMs);
      const id = `run-0000000${i + 1}`;
      fake.tell(id, ...underWay, end);
      const { code, stdout, stderr } = await finished;
      assert.equal(code, expectedCode, stderr);
      assert.match(stderr, line);
      assert.equal((JSON.parse(stdout) as { id: string }).id, id);
    }
  });

  test('waits for a coordinator that goes away, in the upload and while the run is followed', async (t) => {
    const { fake, start } = await setUp(t);
    const { file, directory } = tinyRun(t);
    mkdirSync(join(directory, 'adapter'));
    writeFileSync(join(directory, 'adapter', 'weights'), randomBytes(7 * 2 ** 20));
    fake.before = async (call) => {
      if (call !== 'putChunk' || fake.uploads.heldBytes < 3 * 2 ** 20) return;
      fake.before = () => undefined;
      fake.stop();
      await fake.listen();
    };
    const { finished, seen } = start(
      'submit',
      file,
      '--no-check',
      '--set',
      `adapter=${join(directory, 'adapter')}`,
    );
    await waitUntil(() => fake.submitted.length === 1, 'it is queued', patienceMs);
    assert.equal(seen().match(/has gone away: waiting for it, up to 10:00/g)?.length, 1);
    fake.tell('run-00000001', ...underWay, committed(1));
    await waitUntil(() => seen().includes('step 1/3'), 'it is followed', patienceMs);
    fake.stop();
    fake.tell('run-00000001', committed(2), committed(3), completed);
    await waitUntil(() => seen().match(/has gone away/g)?.length === 2, 'its loss is told', patienceMs);
    await fake.listen();
    const { code, stderr } = await finished;
    assert.equal(code, 0, stderr);
    assert.equal(stderr.match(/the coordinator is back/g)?.length, 2);
    assert.equal(stderr.match(/step 1\/3/g)?.length, 1);
    assert.match(stderr, /step 3\/3/);
  });

  test('does not submit twice where the coordinator goes away in between', async (t) => {
    const { fake, run } = await setUp(t);
    const { file } = tinyRun(t);
    fake.before = (call) => {
      if (call === 'submitRun') fake.stop();
    };
    assert.match(
      (await run('submit', file, '--no-check')).stderr,
      /; prospect queue shows whether it has the run\n$/,
    );
    assert.equal(fake.calls.filter((call) => call === 'submitRun').length, 1);
  });

  test('tells of everything that is wrong before a byte is sent, as check does', async (t) => {
    const { fake, run } = await setUp(t);
    const { file, rows } = tinyRun(t, { data: { train: 'rows.jsonl', eval: 'missing.jsonl' } });
    appendFileSync(rows, '{"prompt": "x"}\n{"prompt": "y", "completion": " z", "label": 2}\n');
    const { code, stdout, stderr } = await run('submit', file);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /rows\.jsonl:27: /);
    assert.match(stderr, /rows\.jsonl:28: /);
    assert.match(stderr, /missing\.jsonl/);
    assert.deepEqual(fake.calls, ['getCoordinator']);
  });

  test('leaves bad rows out with --skip-bad-rows, and does not look at them with --no-check', async (t) => {
    const { fake, run } = await setUp(t);
    const { file, rows } = tinyRun(t);
    appendFileSync(rows, '{"prompt": "x"}\n');
    assert.equal((await run('submit', file, '--no-wait')).code, 2);
    const skipping = await run('submit', file, '--no-wait', '--skip-bad-rows');
    assert.equal(skipping.code, 0, skipping.stderr);
    assert.match(
      skipping.stderr,
      /warning: .*rows\.jsonl: bad rows that are left out: 1, the first one at .*:27: /,
    );
    assert.equal((await run('submit', file, '--no-wait', '--no-check')).code, 0);
    assert.deepEqual(
      fake.submitted.map(({ skipBadRows }) => skipBadRows),
      [true, false],
    );
  });

  test('asks for no more workers than there are, and for no name that is refused', async (t) => {
    const { fake, run } = await setUp(t);
    const { file } = tinyRun(t);
    fake.about = { maxWorkers: 2 };
    assertError(await run('submit', file, '--workers', '3'), 2, /wants 3, and the coordinator has 2 in all/);
    const { code, stderr } = await run('submit', file, '--name', 'two\nlines');
    assert.equal(code, 2);
    assert.match(stderr, /must be a line of 1 to 100 characters/);
  });
});

/** Two runs: one that trains, and one that waits. */
async function setUpRuns(t: TestContext) {
  const all = await setUp(t);
  const { fake } = all;
  fake.addRun({ id: 'run-ab12cd34', name: 'long', workers: 2, totalSteps: 3 });
  fake.tell('run-ab12cd34', ...underWay, committed(1, 1_000), checkpointOf(1));
  fake.addRun({ id: 'run-99887766', name: 'short', waitsFor: 'run-ab12cd34 to end' });
  return all;
}

test('prospect queue lists runs', async (t) => {
  const { run, json } = await setUpRuns(t);
  const { stdout } = await run('queue');
  assert.match(stdout, /run-ab12cd34 +long +running +0\/3/);
  assert.match(stdout, /run-99887766 +short +queued .*waits for run-ab12cd34 to end/);
  const runs = (await json('queue')) as { id: string; state: string; waitsFor: string }[];
  assert.deepEqual(
    runs.map(({ id, state, waitsFor }) => [id, state, waitsFor]),
    [
      ['run-ab12cd34', 'running', ''],
      ['run-99887766', 'queued', 'run-ab12cd34 to end'],
    ],
  );
});

test('prospect status tells of a run, the latest one by default', async (t) => {
  const { run, json } = await setUpRuns(t);
  assert.equal(((await json('status')) as { id: string }).id, 'run-99887766');
  assert.equal(((await json('status', 'ab1')) as { state: string }).state, 'running');
  assert.match((await run('status', 'long')).stdout, /^checkpoint +step 1, /m);
});

describe('prospect logs', () => {
  test('tells what happened to a run', async (t) => {
    const { run } = await setUpRuns(t);
    const { code, stdout } = await run('logs', 'long');
    assert.equal(code, 0);
    assert.match(stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}kto: 3 steps$/m);
    assert.match(stdout, /^19\S+ \d\d:\d\d:01 {2}kto {2}step 1\/3 /m);
    assert.match(stdout, /checkpoint of step 1 /);
    const events = (await run('logs', 'long', '--json')).stdout.trim().split('\n');
    const kinds = events.map((line) => (JSON.parse(line) as { kind: string }).kind);
    assert.deepEqual(kinds, ['run', 'run', 'run', 'stage', 'step', 'checkpoint']);
    const first = JSON.parse(events[0]!) as { time: string; run: { state: string; createdAt: string } };
    assert.equal(first.run.state, 'queued');
    for (const time of [first.time, first.run.createdAt]) assert.equal(new Date(time).toISOString(), time);
  });

  test('prints what a process has logged', async (t) => {
    const { fake, run } = await setUpRuns(t);
    // The pieces that come may end within a character.
    const bytes = Buffer.from('{"level":30}\nplain ö\n[1]\nno end');
    for (const byte of bytes) fake.log('run-ab12cd34', 'worker-0', Buffer.of(byte));
    assert.equal((await run('logs', 'long', '--of', 'worker-0')).stdout, bytes.toString());
    assert.equal(
      (await run('logs', 'long', '--of', 'worker-0', '--json')).stdout,
      '{"level":30}\n{"msg":"plain ö"}\n{"msg":"[1]"}\n{"msg":"no end"}\n',
    );
    assertError(await run('logs', 'long', '--of', 'worker-9'), 1, /no log of worker-9/);
  });

  test('follows a run over a restart to its end, and ends with its exit code', async (t) => {
    const { fake, start } = await setUpRuns(t);
    fake.log('run-ab12cd34', 'worker-0', 'first half ');
    const story = start('logs', 'long', '-f');
    const log = start('logs', 'long', '-f', '--of', 'worker-0');
    await waitUntil(() => story.seen().includes('step 1/3'), 'the story is followed', patienceMs);
    await waitUntil(() => log.seen().includes('half'), 'the log is followed', patienceMs);
    fake.stop();
    fake.log('run-ab12cd34', 'worker-0', 'second half\n');
    fake.tell('run-ab12cd34', committed(2, 2_000), committed(3, 3_000));
    const isLost = ({ seen }: { readonly seen: () => string }) => seen().includes('gone away');
    await waitUntil(() => isLost(story) && isLost(log), 'its loss is told', patienceMs);
    await fake.listen();
    await waitUntil(() => story.seen().includes('step 3/3'), 'the story goes on', patienceMs);
    const failureKind = v1.FailureKind.FAILURE_KIND_RUNTIME;
    fake.tell('run-ab12cd34', toState(RunState.RUN_STATE_FAILED, { reason: 'it died', failureKind }));
    const [told, text] = await Promise.all([story.finished, log.finished]);
    assert.deepEqual([told.code, text.code], [1, 1], text.stderr);
    assert.match(told.stdout, /failed: it died\n$/);
    assert.match(told.stderr, /error: run-ab12cd34 failed: it died/);
    assert.equal(told.stdout.match(/kto: 3 steps/g)?.length, 1);
    assert.equal(text.stdout, 'first half second half\n');
  });

  test('follows what has ended before to where it is now', async (t) => {
    const { fake, run } = await setUpRuns(t);
    fake.tell('run-ab12cd34', toState(RunState.RUN_STATE_CANCELLED, { reason: 'cancelled by request' }));
    assert.equal((await run('logs', 'long', '-f')).code, 130);
    fake.tell(
      'run-ab12cd34',
      toState(RunState.RUN_STATE_QUEUED, { reason: '' }),
      ...underWay,
      committed(2),
      completed,
    );
    const { code, stdout } = await run('logs', 'long', '-f');
    assert.equal(code, 0);
    assert.match(stdout, /cancelled by request\n(.*\n)*.*queued again\n(.*\n)*.*completed: 3 steps\n$/);
  });

  test('says nothing that can move the cursor of a terminal, nor do status and queue', async (t) => {
    const { fake, run } = await setUp(t);
    fake.addRun({ id: 'run-1', name: 'a\u001b[2Jb' });
    fake.tell('run-1', { notice: { text: 'x\u001b[1Ay\r\nz', warning: true, condition: 'c' } });
    for (const args of [['queue'], ['status'], ['logs']]) {
      const { stdout } = await run(...args);
      // eslint-disable-next-line no-control-regex -- that is what must not be there
      assert.doesNotMatch(stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
  });
});

describe('prospect metrics', () => {
  test('prints the last steps as a table, and all steps as they are', async (t) => {
    const { fake, run } = await setUpRuns(t);
    const { stdout } = await run('metrics', 'long');
    assert.match(stdout, /^ +step +loss +rewards\/margins +num_tokens\n─+\n +1 +0\.5000 +0\.2500 +100\n$/);
    assert.match((await run('metrics', 'short')).stderr, /run-99887766 has no steps yet/);
    const steps = Array.from({ length: 30 }, (_, i) => i + 2);
    fake.tell('run-ab12cd34', ...steps.map((step) => committed(step)));
    const rows = (await run('metrics', 'long')).stdout.trimEnd().split('\n').slice(2);
    assert.deepEqual(
      rows.map((row) => Number(row.trim().split(/ +/)[0])),
      steps.slice(-20),
    );
    const all = (await run('metrics', 'long', '--json')).stdout.trimEnd().split('\n');
    assert.deepEqual(
      all,
      [1, ...steps].map((step) => JSON.stringify(metricsOf(step))),
    );
  });

  test('goes on with the steps to come, and with the header of another stage', async (t) => {
    const { fake, start, run } = await setUpRuns(t);
    const following = start('metrics', 'long', '-f');
    await waitUntil(() => /\n +1 /.test(following.seen()), 'the past is printed', patienceMs);
    const other = { stepCommitted: { stage: 2, metricsJson: '{"step":1,"stage":2,"kl":0.5}' } };
    fake.tell('run-ab12cd34', committed(2), other, completed);
    const { code, stdout } = await following.finished;
    assert.equal(code, 0);
    const lines = stdout.split('\n').map((line) => line.trim().split(/ +/).join(' '));
    assert.deepEqual(
      lines.filter((line) => !line.startsWith('─')),
      [
        'step loss rewards/margins num_tokens',
        '1 0.5000 0.2500 100',
        '2 0.5000 0.2500 200',
        'step kl',
        '1 0.5000',
        '',
      ],
    );
    const ended = await run('metrics', 'long', '-f');
    assert.equal(ended.code, 0, ended.stderr);
  });
});

describe('prospect cancel', () => {
  test('waits for the end, and says what is kept', async (t) => {
    const { fake, start } = await setUpRuns(t);
    fake.tell('run-ab12cd34', { run: { committedSteps: 2 } });
    const { finished } = start('cancel', 'long', '--save');
    await waitUntil(() => fake.calls.includes('cancelRun'), 'it is asked for', patienceMs);
    const end = toState(RunState.RUN_STATE_CANCELLED, { reason: 'cancelled by request' });
    fake.tell('run-ab12cd34', checkpointOf(2), end);
    const { code, stdout, stderr } = await finished;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^run-ab12cd34 is cancelled after step 2 of 3; the checkpoint of step 2 is kept\n/);
    assert.match(stdout, /prospect resume run-ab12cd34\n$/);
  });

  test('ends a queued run at once, and does nothing to one that has ended otherwise', async (t) => {
    const { fake, run, json } = await setUpRuns(t);
    assert.match((await run('cancel', 'short')).stdout, /is cancelled before its first step/);
    const again = (await json('cancel', 'short')) as { state: string; checkpoint: null };
    assert.deepEqual([again.state, again.checkpoint], ['cancelled', null]);
    fake.addRun({ id: 'run-00000003', name: 'done', state: RunState.RUN_STATE_COMPLETED });
    assertError(
      await run('cancel'),
      1,
      /run-00000003 \(done\) has completed already: there is nothing to cancel/,
    );
  });

  test('does not wait with --no-wait; a run that completes meanwhile is not cancelled', async (t) => {
    const { fake, start, json } = await setUpRuns(t);
    assert.equal(((await json('cancel', 'long', '--no-wait')) as { state: string }).state, 'running');
    const { finished } = start('cancel', 'long');
    await waitUntil(() => fake.watchers('run-ab12cd34') === 1, 'it waits', patienceMs);
    fake.tell('run-ab12cd34', completed);
    const { code, stderr } = await finished;
    assert.equal(code, 1);
    assert.match(stderr, /run-ab12cd34 has completed before it could be cancelled/);
  });
});

test('prospect resume and resize say what happens next', async (t) => {
  const { fake, run, json } = await setUpRuns(t);
  assert.match(
    (await run('resize', 'long', '--workers', '4')).stdout,
    /4 workers instead of 2: new ones join/,
  );
  assert.match(
    (await run('resize', 'short', '--workers', '3')).stdout,
    /run-99887766 begins with 3 workers; it waits/,
  );
  assert.equal((await run('resize', 'long', '--workers', '0')).code, 2);
  assertError(await run('resume', 'long'), 1, /cannot be resumed/);
  fake.tell('run-ab12cd34', toState(RunState.RUN_STATE_CANCELLED, { committedSteps: 2 }));
  const { code, stdout } = await run('resume', 'long');
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^run-ab12cd34 is queued again, and goes on after step 2 of 3\n.*prospect logs run-ab12cd34 -f\n$/,
  );
  fake.tell('run-ab12cd34', toState(RunState.RUN_STATE_FAILED, { reason: 'x' }));
  assert.equal(((await json('resume', 'long')) as { state: string }).state, 'queued');
});
