import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, request as httpRequest, type IncomingMessage } from 'node:http';
import { after, before, describe, test, type TestContext } from 'node:test';
import { pageAccess, type PageAccess } from '../../coordinator/page/access.js';
import { livePage } from '../../coordinator/page/page.js';
import type { ListedRun, RunEvent } from '../../coordinator/page/view/events.js';
import type { RunView } from '../../coordinator/page/view/run-view.js';
import { MonitoringServer } from '../../lib/monitoring-server.js';
import { v1 } from '../../proto/services.js';
import { Browser, findChromium } from '../support/chromium/browser.js';
import type { Viewport } from '../support/chromium/page.js';
import { RecordedRuns } from '../support/recorded-runs.js';
import { waitUntil } from '../support/wait-until.js';

const startMs = Date.UTC(2026, 0, 1, 12);

const run = {
  id: 'run-0a1b2c3d',
  name: 'thumbs',
  state: 'running',
  reason: '',
  outputDir: '/runs/thumbs',
  committedSteps: 0,
  totalSteps: 40,
  createdAtMs: startMs,
  updatedAtMs: startMs,
} as const;

const worker = (id: string, gradientMs: number) => ({
  workerId: id,
  examples: 16,
  times: { referenceMs: 20, statisticsMs: 10, gradientMs, allReduceMs: 5, updateMs: 5 },
});

const wireStates = {
  running: v1.RunState.RUN_STATE_RUNNING,
  failed: v1.RunState.RUN_STATE_FAILED,
} as const;

/** A run of KTO that has begun its only stage. */
function runningRuns(changes: { readonly name?: string; readonly totalSteps?: number } = {}): RecordedRuns {
  const runs = new RecordedRuns();
  const summary = { ...run, ...changes };
  runs.set(summary);
  runs.add(summary.id, { run: { ...summary, state: v1.RunState.RUN_STATE_STARTING } }, startMs);
  runs.add(summary.id, { run: { ...summary, state: v1.RunState.RUN_STATE_RUNNING } }, startMs + 1000);
  runs.add(
    summary.id,
    { stageStarted: { stage: 1, stageCount: 1, method: 'kto', totalSteps: summary.totalSteps } },
    startMs + 2000,
  );
  return runs;
}

function commitStep(runs: RecordedRuns, step: number, loss = 1 / step): void {
  const row = {
    step,
    stage: 1,
    method: 'kto',
    loss,
    kl: 0.25,
    'rewards/chosen': step / 10,
    'rewards/rejected': -step / 10,
    'rewards/margins': step / 5,
    grad_norm: 1.5,
    num_tokens: 100 * step,
    step_time_s: 0.1,
  };
  const workers = [worker('worker-0', 40), worker('worker-1', 30)];
  runs.add(
    run.id,
    { stepCommitted: { stage: 1, metricsJson: JSON.stringify(row), workers } },
    startMs + step,
  );
}

function evaluate(runs: RecordedRuns, step: number, loss: number): void {
  const row = {
    step,
    stage: 1,
    method: 'kto',
    rows: 8,
    eval_loss: loss,
    eval_kl: 0,
    'eval_rewards/chosen': step / 20,
    'eval_rewards/rejected': null,
    'eval_accuracy/chosen': 0.75,
    'eval_accuracy/rejected': 0.5,
  };
  const evaluated = { stage: 1, step, metricsJson: JSON.stringify(row), durationMs: 900 };
  runs.add(run.id, { evaluated }, startMs + step);
}

function sample(
  runs: RecordedRuns,
  step: number,
  completions: readonly v1.SampledCompletion.$Properties[],
): void {
  runs.add(run.id, { completionsSampled: { stage: 1, step, completions: [...completions] } }, startMs + step);
}

async function serve(t: TestContext, runs: RecordedRuns, access: PageAccess = { kind: 'loopback' }) {
  const monitored = { metrics: () => Promise.resolve('prospect_runs 1\n'), ready: () => true };
  const server = await MonitoringServer.start('127.0.0.1:0', monitored, livePage(runs, access));
  t.after(() => server.close());
  return { server, origin: `http://${server.address}` };
}

async function json<Value>(url: string): Promise<Value> {
  const response = await fetch(url);
  assert.equal(response.status, 200, url);
  return (await response.json()) as Value;
}

/** A client of server-sent events, as simple as the format allows. */
async function openEvents(t: TestContext, url: string, headers: Record<string, string> = {}) {
  const request = get(url, { headers });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const events: RunEvent[] = [];
  const ids: number[] = [];
  let rest = '';
  response.setEncoding('utf8').on('data', (text: string) => {
    const frames = (rest + text).split('\n\n');
    rest = frames.pop()!;
    for (const frame of frames) {
      const fields = new Map(frame.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]));
      if (!fields.has('data')) continue;
      ids.push(Number(fields.get('id')));
      events.push(JSON.parse(fields.get('data')!) as RunEvent);
    }
  });
  t.after(() => request.destroy());
  return { response, events, ids, close: () => request.destroy() };
}

describe('the live page over HTTP', () => {
  test('shares its port with metrics and health', async (t) => {
    const { origin } = await serve(t, runningRuns());
    for (const path of ['/metrics', '/healthz', '/readyz', '/', '/runs/run-0a1b2c3d']) {
      assert.equal((await fetch(origin + path)).status, 200, path);
    }
    assert.equal((await fetch(`${origin}/assets/..%2f..%2fpackage.json`)).status, 404);
    assert.equal((await fetch(`${origin}/`, { method: 'POST' })).status, 405);
  });

  test('lists runs, the newest first, and shows one with its curves', async (t) => {
    const runs = runningRuns();
    runs.set({ ...run, id: 'run-2', name: 'later', state: 'queued', waitsFor: `${run.id} to end` });
    for (let step = 1; step <= 3; step++) commitStep(runs, step);
    const { origin } = await serve(t, runs);
    const listed = await json<{ runs: ListedRun[] }>(`${origin}/api/runs`);
    assert.deepEqual(
      listed.runs.map(({ id, name, state, waitsFor }) => [id, name, state, waitsFor]),
      [
        ['run-2', 'later', 'queued', `${run.id} to end`],
        [run.id, 'thumbs', 'running', ''],
      ],
    );
    const view = await json<RunView>(`${origin}/api/runs/${run.id}`);
    assert.deepEqual(view.stages[0]?.curve.columns.loss.mean, [1, 0.5, 0.3333333]);
    assert.deepEqual(view.stages[0].curve.columns.tokens_per_s.mean, [1000, 1000, 1000]);
    assert.equal(view.sequence, 6);
    assert.equal((await fetch(`${origin}/api/runs/nobody`)).status, 404);
    assert.equal((await fetch(`${origin}/api/runs/nobody/events`)).status, 404);
    assert.equal((await fetch(`${origin}/api/runs/${run.id}/events?after=-1`)).status, 400);
  });

  test('events come from the journal by sequence number, then live', async (t) => {
    const runs = runningRuns();
    for (let step = 1; step <= 700; step++) commitStep(runs, step);
    const { origin } = await serve(t, runs);
    const url = `${origin}/api/runs/${run.id}/events`;
    const all = await openEvents(t, url);
    assert.equal(all.response.headers['content-type'], 'text/event-stream');
    const late = await openEvents(t, `${url}?after=10`, { 'last-event-id': '700' });
    await waitUntil(() => all.ids.length === 703 && late.ids.length === 3, 'the history');
    assert.deepEqual(late.ids, [701, 702, 703]);
    commitStep(runs, 701);
    await waitUntil(() => all.ids.length === 704 && late.ids.length === 4, 'a live event');
    assert.deepEqual(
      all.ids,
      Array.from({ length: 704 }, (_, i) => i + 1),
    );
    const last = all.events.at(-1)!;
    assert.ok(last.kind === 'step');
    assert.deepEqual(last.workers[0], {
      id: 'worker-0',
      examples: 16,
      times: { reference: 20, statistics: 10, gradient: 40, allReduce: 5, update: 5, wait: 20 },
    });
    all.close();
    late.close();
    await waitUntil(() => runs.listeners(run.id) === 0, 'the end of the subscription');
  });

  test('a client that reads nothing does not fill the memory, and still gets everything', async (t) => {
    const runs = runningRuns();
    for (let step = 1; step <= 20_000; step++) commitStep(runs, step);
    const { origin } = await serve(t, runs);
    const slow = await openEvents(t, `${origin}/api/runs/${run.id}/events`);
    slow.response.pause();
    const view = await json<RunView>(`${origin}/api/runs/${run.id}`);
    assert.equal(view.sequence, 20_003);
    slow.response.resume();
    await waitUntil(() => slow.ids.length === 20_003, 'the history');
    assert.equal(slow.ids.at(-1), 20_003);
  });

  test('nothing may come from elsewhere or be framed', async (t) => {
    const { origin } = await serve(t, runningRuns());
    const policy = (await fetch(`${origin}/`)).headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  });
});

describe('who may see the page', () => {
  const status = (origin: string, headers: Record<string, string>, path = '/api/runs') =>
    new Promise<IncomingMessage>((resolve, reject) => {
      httpRequest(`${origin}${path}`, { headers }, (response) => resolve(response.resume()))
        .on('error', reject)
        .end();
    });

  test('on loopback everyone, but not under a name from elsewhere', async (t) => {
    const { origin, server } = await serve(t, runningRuns(), pageAccess('127.0.0.1', null));
    const port = server.address.split(':')[1]!;
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]) {
      assert.equal((await status(origin, { host })).statusCode, 200, host);
    }
    for (const host of ['evil.example', `127.0.0.1.evil.example:${port}`, 'localhost.evil.example']) {
      assert.equal((await status(origin, { host })).statusCode, 403, host);
    }
  });

  test('elsewhere who has the token, once as a link and then by cookie', async (t) => {
    const { origin } = await serve(t, runningRuns(), pageAccess('0.0.0.0', 'open-sesame'));
    for (const path of [
      '/',
      '/api/runs',
      '/assets/page.css',
      `/api/runs/${run.id}/events`,
      '/?token=wrong',
    ]) {
      assert.equal((await status(origin, {}, path)).statusCode, 401, path);
    }
    assert.equal((await status(origin, {}, '/metrics')).statusCode, 200);
    assert.equal((await status(origin, { authorization: 'Bearer open-sesame' })).statusCode, 200);
    assert.equal((await status(origin, { authorization: 'Bearer wrong' })).statusCode, 401);
    const login = await status(origin, {}, `/runs/${run.id}?token=open-sesame`);
    assert.deepEqual([login.statusCode, login.headers.location], [303, `/runs/${run.id}`]);
    const elsewhere = await status(origin, {}, '//evil.example/?token=open-sesame');
    assert.ok(!elsewhere.headers.location?.startsWith('//'));
    const [cookie] = login.headers['set-cookie']!;
    assert.match(cookie!, /; HttpOnly; SameSite=Strict$/);
    assert.doesNotMatch(cookie!, /open-sesame/);
    const [pair] = cookie!.split(';');
    assert.equal((await status(origin, { cookie: `other=1; ${pair!}` })).statusCode, 200);
    assert.equal((await status(origin, { cookie: `${pair!}x` })).statusCode, 401);
  });

  test('elsewhere nobody without a token', async (t) => {
    const { origin } = await serve(t, runningRuns(), pageAccess('0.0.0.0', null));
    assert.equal((await status(origin, {})).statusCode, 401);
    assert.equal((await status(origin, {}, '/healthz')).statusCode, 200);
  });
});

const chromium = findChromium();

describe(
  'the live page in Chromium',
  {
    skip:
      chromium === undefined &&
      'no Chromium here: install it (Debian: apt-get install chromium), or set CHROMIUM',
  },
  () => {
    let browser: Browser;
    before(async () => {
      browser = await Browser.start(chromium!);
    });
    after(() => browser.close());

    const open = async (t: TestContext, url: string, viewport: Viewport) => {
      const page = await browser.open(url, viewport);
      t.after(() => page.close());
      return page;
    };

    const wide: Viewport = { width: 1280, height: 900 };

    test('shows a run live, and all its history after a reload', async (t) => {
      const runs = runningRuns();
      for (let step = 1; step <= 5; step++) commitStep(runs, step);
      const { origin } = await serve(t, runs);
      const page = await open(t, `${origin}/runs/${run.id}`, wide);
      await page.waitFor(`document.querySelectorAll('.chart canvas').length === 6`);
      const chart = (title: string) =>
        page.evaluate<string>(
          `[...document.querySelectorAll('.chart')].find((c) => c.innerText.startsWith('${title}')).innerText`,
        );
      assert.match(await chart('Loss'), /0\.2000/);
      assert.match(await page.text('.facts'), /5\s*of 40/);
      await page.waitFor(`document.querySelector('[role="status"].connection').innerText === 'Live'`);

      commitStep(runs, 6, 0.123);
      await page.waitFor(`document.querySelector('.chart').innerText.includes('0.1230')`);
      assert.match(await chart('Rewards'), /chosen\s*0\.6000\s*rejected\s*−0\.6000/);
      assert.match(await page.text('.workers'), /worker-0[^]*training[^]*16 examples · 100 ms/);
      assert.match(
        await page.evaluate(`document.querySelector('.bar').getAttribute('aria-label')`),
        /gradient 40 ms.*wait 20 ms/,
      );

      await page.evaluate('document.title = "before"');
      await page.goto(`${origin}/runs/${run.id}`);
      await page.waitFor(`document.querySelector('.chart')?.innerText.includes('0.1230')`);
      assert.equal(await page.evaluate('document.title'), 'thumbs · running · Prospect');
      assert.match(await page.text('.log'), /Began stage 1 of 1, kto: 40 steps[^]*Run running/);
      assert.deepEqual(page.complaints, []);
    });

    test('held-out rows are points of their own, from the start of the stage on', async (t) => {
      const runs = runningRuns();
      evaluate(runs, 0, 0.75);
      for (let step = 1; step <= 4; step++) {
        commitStep(runs, step);
        if (step % 2 === 0) evaluate(runs, step, 0.7 - step / 10);
      }
      const { origin } = await serve(t, runs);
      const page = await open(t, `${origin}/runs/${run.id}`, wide);
      await page.waitFor(`document.querySelectorAll('.chart canvas').length === 7`);
      const titles = await page.evaluate<string[]>(
        `[...document.querySelectorAll('.chart h2')].map((title) => title.textContent)`,
      );
      assert.ok(titles.includes('Accuracy'), titles.join());
      const loss = `document.querySelector('.chart')`;
      const shown = () => page.evaluate<string>(`${loss}.innerText.replace(/\\s+/g, ' ')`);
      assert.match(await shown(), /^Loss step 4 0\.2500 held out 0\.3000$/);

      const pointAt = (step: number) =>
        page.evaluate(`{
          const over = ${loss}.querySelector('.u-over');
          const { left, top, width, height } = over.getBoundingClientRect();
          const place = { clientX: left + (width * ${step}) / 4, clientY: top + height / 2, bubbles: true };
          for (const type of ['mouseenter', 'mousemove']) over.dispatchEvent(new MouseEvent(type, place));
        }`);
      for (const [step, values] of [
        [0, '– held out 0.7500'],
        [2, '0.5000 held out 0.5000'],
        [3, '0.3333 held out 0.5000'],
      ] as const) {
        await pointAt(step);
        await page.waitFor(`${loss}.innerText.includes('step ${step}')`);
        assert.equal(await shown(), `Loss step ${step} ${values}`);
      }
      // Only held-out rows have a point at step 0, which is the plot's left edge.
      const atStep0 = await page.evaluate<number[]>(`(() => {
        const canvas = ${loss}.querySelector('canvas');
        const [drawn, plot] = [canvas, ${loss}.querySelector('.u-over')].map((e) => e.getBoundingClientRect());
        const column = [plot.left - drawn.left, plot.top - drawn.top, 1, plot.height].map(Math.round);
        return [...canvas.getContext('2d').getImageData(...column).data];
      })()`);
      const blue = [0, 0x72, 0xb2, 0xff];
      assert.ok(atStep0.some((_, i) => i % 4 === 0 && blue.every((part, k) => atStep0[i + k] === part)));
      assert.match(
        await page.text('.log'),
        /Held-out rows after step 4: loss 0\.300, kl 0, right side 75 % up \/ 50 % down/,
      );

      evaluate(runs, 40, 0.125);
      await page.waitFor(`${loss}.innerText.includes('held out')`);
      await page.waitFor(`document.querySelector('.log').innerText.includes('after step 40: loss 0.125')`);
      assert.deepEqual(page.complaints, []);
    });

    test('sampled completions are text, by step; who reads older ones is not disturbed', async (t) => {
      const runs = runningRuns();
      const [prompt, html] = ['<b>Hello</b>', '<img src=x onerror="document.title=1"> &amp; done'];
      sample(runs, 0, [{ prompt, completion: html, cut: true }]);
      const { origin } = await serve(t, runs);
      const page = await open(t, `${origin}/runs/${run.id}`, wide);
      const card = `document.querySelector('[aria-labelledby="samples-title"]')`;
      const seen = (text: string) => `${card}?.innerText.includes(${JSON.stringify(text)})`;
      await page.waitFor(seen('before the first step (1 of 1)'));
      assert.equal(await page.text('.completions .prompt'), prompt);
      assert.equal(await page.text('.completions .completion'), `${html} … cut at max_new_tokens`);
      assert.equal(await page.evaluate(`document.querySelectorAll('main img, main b b').length`), 0);

      sample(runs, 10, [
        { prompt, completion: 'ten\n  lines' },
        { prompt, completion: '' },
      ]);
      await page.waitFor(seen('after step 10 (2 of 2)'));
      assert.equal(await page.text('.completions .completion'), 'ten\n  lines');
      assert.equal(await page.evaluate(`document.querySelectorAll('.completions li').length`), 2);
      const press = async (name: string) => {
        await page.evaluate(`document.querySelector('[aria-label="${name} samples"]').focus()`);
        await page.pressEnter();
      };
      await press('Earlier');
      await page.waitFor(seen('before the first step (1 of 2)'));
      sample(runs, 20, [{ prompt, completion: 'twenty' }]);
      await page.waitFor(seen('before the first step (1 of 3)'));
      await press('Earlier');
      await press('Later');
      await press('Later');
      await page.waitFor(seen('after step 20 (3 of 3)'));
      sample(runs, 30, [{ prompt, completion: 'thirty' }]);
      await page.waitFor(seen('thirty'));
      await page.goto(`${origin}/runs/${run.id}`);
      await page.waitFor(seen('after step 30 (4 of 4)'));
      assert.equal(await page.evaluate('document.title'), 'thumbs · running · Prospect');
      assert.deepEqual(page.complaints, []);
    });

    test('a queued run says what it waits for, in the list too', async (t) => {
      const runs = runningRuns();
      const queued = { ...run, id: 'run-2', name: 'later', state: 'queued', totalSteps: 0 } as const;
      runs.set({ ...queued, waitsFor: `${run.id} to end` });
      const { origin } = await serve(t, runs);
      const page = await open(t, `${origin}/runs/run-2`, wide);
      await page.waitFor(`document.querySelector('.waits-for')?.innerText === 'waits for ${run.id} to end'`);
      assert.match(await page.text('.card.empty'), new RegExp(`It waits for ${run.id} to end\\.`));
      assert.match(
        await page.text('nav'),
        new RegExp(`2 runs · 1 queued[^]*later\\s+queued\\s+waits for ${run.id} to end`),
      );
      runs.set({ ...queued, waitsFor: '2 workers: 3 of 4 are in use' });
      await page.waitFor(`document.querySelector('.waits-for').innerText.includes('3 of 4 are in use')`);
      runs.set({ ...queued, state: 'starting' });
      runs.add('run-2', { run: { ...queued, state: v1.RunState.RUN_STATE_STARTING } }, startMs);
      await page.waitFor(`document.querySelector('.waits-for').innerText === ''`);
    });

    test('goes on by itself when the server was away', async (t) => {
      const runs = runningRuns();
      commitStep(runs, 1);
      const first = await serve(t, runs);
      const page = await open(t, `${first.origin}/runs/${run.id}`, wide);
      await page.waitFor(`document.querySelector('.connection')?.innerText === 'Live'`);
      await first.server.close();
      await page.waitFor(`document.querySelector('.connection').innerText.startsWith('Connection lost')`);
      commitStep(runs, 2, 0.0625);
      const monitored = { metrics: () => Promise.resolve(''), ready: () => true };
      const again = await MonitoringServer.start(
        first.server.address,
        monitored,
        livePage(runs, { kind: 'loopback' }),
      );
      t.after(() => again.close());
      await page.waitFor(`document.querySelector('.connection').innerText === 'Live'`);
      await page.waitFor(`document.querySelector('.chart').innerText.includes('0.06250')`);
      assert.equal(await page.text('.facts dd'), '2 of 40');
    });

    test('shows lost and new workers, checkpoints, and what needs attention until it has passed', async (t) => {
      const runs = runningRuns();
      const both = ['worker-0', 'worker-1'];
      runs.add(run.id, { membershipChanged: { generation: 1, workers: both } }, startMs);
      commitStep(runs, 1);
      const { origin } = await serve(t, runs);
      const page = await open(t, `${origin}/runs/${run.id}`, wide);
      await page.waitFor(`document.querySelector('.workers')?.innerText.includes('worker-1')`);
      const lost = [{ workerId: 'worker-1', reason: 'killed by SIGKILL' }];
      const survivors = { generation: 2, workers: ['worker-0'], lost, stage: 1, step: 1 };
      runs.add(run.id, { membershipChanged: survivors }, startMs);
      const condition = 'straggler:worker-0';
      runs.add(run.id, { notice: { text: 'worker-0 is slow', warning: true, condition } }, startMs);
      await page.waitFor(`document.querySelector('.worker.lost')?.innerText.includes('killed by SIGKILL')`);
      await page.waitFor(
        `document.querySelector('.callout.warning')?.innerText.includes('worker-0 is slow')`,
      );
      assert.match(
        await page.text('[aria-labelledby="workers-title"] header p'),
        /1 of 2 training · generation 2/,
      );

      const joined = [{ workerId: 'worker-1', reason: '' }];
      runs.add(
        run.id,
        { membershipChanged: { generation: 3, workers: both, joined, stage: 1, step: 1 } },
        startMs,
      );
      runs.add(run.id, { notice: { text: 'worker-0 keeps up again', warning: false, condition } }, startMs);
      const written = { stage: 1, step: 1, directory: '/c', bytes: 2.5e6, durationMs: 1500 };
      runs.add(run.id, { checkpointWritten: written }, startMs);
      await page.waitFor(`document.querySelector('.callout.warning') === null`);
      const log = await page.text('.log');
      assert.match(log, /Checkpoint of stage 1, step 1: 2\.5 MB in 1\.5 s/);
      assert.match(log, /Joined: worker-1; generation 3 with 2 workers after step 1/);
      assert.match(log, /Lost worker-1 \(killed by SIGKILL\); generation 2 with 1 worker after/);
      assert.equal(await page.evaluate(`document.querySelectorAll('.worker.lost').length`), 0);
    });

    test('text from a run is text', async (t) => {
      const name = '<img src=x onerror=alert(1)>';
      const runs = runningRuns({ name });
      runs.add(
        run.id,
        { notice: { text: '<script>document.title = "owned"</script>', warning: true } },
        startMs,
      );
      const { origin } = await serve(t, runs);
      const page = await open(t, origin, wide);
      await page.waitFor(`document.querySelector('.log')?.innerText.includes('<script>')`);
      assert.equal(await page.text('h1'), name);
      assert.equal(await page.evaluate(`document.querySelectorAll('main img').length`), 0);
      assert.deepEqual(page.complaints, []);
    });

    test('a failed run says why, and one without steps what it waits for', async (t) => {
      const runs = runningRuns({ totalSteps: 0 });
      const { origin } = await serve(t, runs);
      const page = await open(t, `${origin}/runs/${run.id}`, wide);
      await page.waitFor(
        `document.querySelector('.card.empty')?.innerText.includes('Waiting for the first step')`,
      );
      const failed = { ...run, state: wireStates.failed, reason: 'worker-1 was killed by SIGKILL' };
      runs.add(run.id, { run: failed }, startMs);
      await page.waitFor(`document.querySelector('.callout')?.innerText.includes('killed by SIGKILL')`);
      assert.equal(await page.text('.pill'), 'failed');
      await page.goto(`${origin}/runs/nobody`);
      await page.waitFor(`document.querySelector('main')?.innerText.includes('nobody cannot be shown')`);
    });

    test('an empty coordinator invites to submit', async (t) => {
      const { origin } = await serve(t, new RecordedRuns());
      const page = await open(t, origin, wide);
      await page.waitFor(`document.querySelector('main')?.innerText.includes('No runs yet')`);
    });

    test('a long history is drawn from few points and stays in order', async (t) => {
      const runs = runningRuns({ totalSteps: 100_000 });
      for (let step = 1; step <= 100_000; step++) commitStep(runs, step);
      const { origin } = await serve(t, runs);
      const view = await json<RunView>(`${origin}/api/runs/${run.id}`);
      const { steps, width } = view.stages[0]!.curve;
      assert.ok(steps.length <= 1024, `${steps.length} points`);
      assert.deepEqual([width, steps.at(-1)], [128, 100_000]);
      const page = await open(t, `${origin}/runs/${run.id}`, wide);
      await page.waitFor(`document.querySelector('.facts')?.innerText.includes('100000')`);
      commitStep(runs, 100_001, 0.875);
      await page.waitFor(`document.querySelector('.facts').innerText.includes('100001')`);
    });

    for (const width of [1280, 390]) {
      test(`nothing is wider than a window of ${width} pixels, and links work by keyboard`, async (t) => {
        const name = 'a-name-without-any-place-to-break-'.repeat(6);
        const runs = runningRuns({ name });
        commitStep(runs, 1);
        const text = `${'x'.repeat(300)} in /a/${'long-path/'.repeat(30)}`;
        runs.add(run.id, { notice: { text, warning: true, condition: 'long' } }, startMs);
        evaluate(runs, 1, 0.5);
        sample(runs, 1, [{ prompt: text, completion: text, cut: true }]);
        const { origin } = await serve(t, runs);
        const page = await open(t, origin, { width, height: 800 });
        await page.waitFor(`document.querySelector('nav a[aria-current="page"]')`);
        await page.evaluate(`document.querySelector('nav a').focus()`);
        await page.pressEnter();
        await page.waitFor(
          `location.pathname.endsWith('${run.id}') && document.querySelector('.chart canvas')`,
        );
        const overflow = await page.evaluate<number>('document.documentElement.scrollWidth');
        assert.ok(overflow <= width, `${overflow} pixels`);
        const tooWide = await page.evaluate<string[]>(
          `[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > ${width} + 0.5 &&
            getComputedStyle(e).position !== 'absolute').map((e) => e.className || e.tagName)`,
        );
        assert.deepEqual(tooWide, []);
      });
    }
  },
);
