// Makes the pictures of the live page and of the curves in docs/images, from a recorded run, and the one of a terminal,
// from a real one: npm run screenshots
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { livePage } from '../../coordinator/page/page.js';
import { render } from '../../deploy/plot/render.js';
import { readStageCurves } from '../../deploy/plot/run-metrics.js';
import { trainingCurvesChart } from '../../deploy/plot/training-curves.js';
import { MonitoringServer } from '../../lib/monitoring-server.js';
import { Browser, findChromium } from '../support/chromium/browser.js';
import type { Viewport } from '../support/chromium/page.js';
import { RecordedRuns } from '../support/recorded-runs.js';
import { playDemoRun, recordedSteps } from './recording.js';
import { drawTerminal } from './terminal/draw.js';

const outDir = process.argv[2] ?? join(import.meta.dirname, '../../../docs/images');

const pictures: readonly (Viewport & { readonly name: string })[] = [
  { name: 'page-light', width: 1280, height: 900, scheme: 'light' },
  { name: 'page-dark', width: 1280, height: 900, scheme: 'dark' },
  { name: 'page-narrow', width: 390, height: 844, scheme: 'light' },
];

/** Beside the recorded run: what waits, and what has ended. */
function addOtherRuns(runs: RecordedRuns, nowMs: number): void {
  const other = { reason: '', committedSteps: 0, totalSteps: 0, createdAtMs: nowMs, updatedAtMs: nowMs };
  runs.set({
    ...other,
    id: 'run-41d0aa95',
    name: 'thumbs-baseline',
    state: 'completed',
    outputDir: '/home/ada/runs/thumbs-baseline',
    committedSteps: 240,
    totalSteps: 240,
  });
  runs.set({
    ...other,
    id: 'run-c0ffee12',
    name: 'thumbs-lr-3e-3',
    state: 'failed',
    outputDir: '/home/ada/runs/thumbs-lr-3e-3',
    reason: 'the loss is not finite',
    committedSteps: 17,
    totalSteps: 240,
  });
}

/** The recorded run's curves, as `prospect plot RUN` draws them. */
async function drawCurves(): Promise<void> {
  const directory = join(mkdtempSync(join(tmpdir(), 'prospect-screenshots-')), 'shop-replies');
  try {
    mkdirSync(directory);
    const lines = recordedSteps(2).map(({ row }) => `${JSON.stringify(row)}\n`);
    writeFileSync(join(directory, 'metrics.jsonl'), lines.join(''));
    const picture = await render(trainingCurvesChart(readStageCurves(directory, null)), 'png');
    writeFileSync(join(outDir, 'training-curves.png'), picture);
  } finally {
    rmSync(dirname(directory), { recursive: true });
  }
}

const chromium = findChromium();
if (chromium === undefined) throw new Error('no Chromium here: install it, or set CHROMIUM');
const runs = new RecordedRuns();
addOtherRuns(runs, Date.now());
const id = playDemoRun(runs, 40);
runs.set({
  ...runs.findRun(id)!,
  id: 'run-7be1f00d',
  name: 'thumbs-lora',
  state: 'queued',
  waitsFor: `${id} to end`,
  outputDir: '/home/ada/runs/thumbs-lora',
  committedSteps: 0,
  totalSteps: 0,
});
const monitored = { metrics: () => Promise.resolve(''), ready: () => true };
const server = await MonitoringServer.start('127.0.0.1:0', monitored, livePage(runs, { kind: 'loopback' }));
const browser = await Browser.start(chromium);
try {
  mkdirSync(outDir, { recursive: true });
  await drawCurves();
  for (const { name, ...viewport } of pictures) {
    const page = await browser.open(`http://${server.address}/runs/${id}`, viewport);
    await page.waitFor(
      `document.querySelectorAll('.chart canvas').length >= 6 && document.querySelector('nav a')`,
    );
    await page.settle();
    writeFileSync(join(outDir, `${name}.png`), await page.screenshot());
    await page.close();
  }
  writeFileSync(join(outDir, 'terminal.png'), await drawTerminal(browser));
} finally {
  await browser.close();
  await server.close();
}
