import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeTinyModel } from '../../../deploy/demo/tiny-model.js';
import { packagePath } from '../../../lib/package.js';
import { prospect } from '../../integration/prospect.js';
import type { Browser } from '../../support/chromium/browser.js';
import { ServiceProcess } from '../../support/service-process.js';
import { terminalPicture } from './picture.js';
import { recordTerminal } from './record.js';
import { Screen } from './screen.js';
import { SlowRelay } from './slow-relay.js';

const COLUMNS = 112;

/** What is run, in a folder that has kto.yaml, and what it has written when the picture is taken. */
const shown = {
  args: ['submit', 'kto.yaml', '--name', 'shop-replies'],
  until: / 18\/48 /,
} as const;

/** Of the way to the coordinator: as slow as to another town, so that the upload is seen. */
const BYTES_PER_SECOND = 1_000_000;

const cli = fileURLToPath(new URL('../../../deploy/cli/main.js', import.meta.url));

/** A PNG of a terminal from which a run is submitted to a coordinator that has another one before it. */
export async function drawTerminal(browser: Browser): Promise<Buffer> {
  const dir = mkdtempSync(join(tmpdir(), 'prospect-terminal-'));
  const shop = join(dir, 'shop');
  const service = new ServiceProcess(dir);
  try {
    await service.start();
    await submitAnother(join(dir, 'other'), service);
    await writeRun(shop, { seed: 1, keys: { max_steps: 48, eval_steps: 12 } });
    const written = await recordSubmit(shop, service);
    const title = `prospect ${shown.args.join(' ')}`;
    const screen = new Screen(COLUMNS);
    screen.write(`\u001b[32m$\u001b[39m ${title}\n`);
    screen.write(asElsewhere(written, { shop, service }));
    return await terminalPicture(browser, title, screen.lines, COLUMNS);
  } finally {
    await service.terminate();
    rmSync(dir, { recursive: true });
  }
}

async function recordSubmit(cwd: string, { address }: ServiceProcess): Promise<string> {
  const relay = await SlowRelay.start(address, BYTES_PER_SECOND);
  try {
    return await recordTerminal({
      command: [process.execPath, cli, ...shown.args],
      cwd,
      env: { ...process.env, PROSPECT_COORDINATOR: relay.address },
      columns: COLUMNS,
      until: shown.until,
    });
  } finally {
    await relay.close();
  }
}

/** The paths and ports of this machine, as those that a user has. */
function asElsewhere(
  text: string,
  { shop, service }: { readonly shop: string; readonly service: ServiceProcess },
): string {
  return text
    .replaceAll(shop, '/home/ada/shop')
    .replaceAll(service.stateDir, '/srv/prospect')
    .replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:7071');
}

/** A short run that is on when the shown one comes. */
async function submitAnother(dir: string, { address }: ServiceProcess): Promise<void> {
  await writeRun(dir, { seed: 2, keys: { max_steps: 4 } });
  const args = ['submit', join(dir, 'kto.yaml'), '--name', 'baseline', '--no-wait', '--coordinator', address];
  const { code, stderr } = await prospect(args);
  if (code !== 0) throw new Error(stderr);
}

async function writeRun(
  dir: string,
  { seed, keys }: { readonly seed: number; readonly keys: Readonly<Record<string, unknown>> },
): Promise<void> {
  const data = packagePath('deploy/demo/data');
  mkdirSync(dir);
  await writeTinyModel(join(dir, 'model'), data, seed);
  for (const name of ['feedback.jsonl', 'held-out.jsonl']) copyFileSync(join(data, name), join(dir, name));
  const run = {
    method: 'kto',
    model: 'model',
    data: { train: 'feedback.jsonl', eval: 'held-out.jsonl' },
    workers: 2,
    threads_per_worker: 1,
    desirable_weight: 'auto',
    learning_rate: 3e-5,
    max_length: 128,
    max_prompt_length: 48,
    global_batch_size: 32,
    micro_batch_size: 8,
    ...keys,
  };
  // JSON is YAML.
  writeFileSync(join(dir, 'kto.yaml'), JSON.stringify(run));
}
