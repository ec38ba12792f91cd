import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packagePath } from '../../../lib/package.js';
import { writeTinyModel } from '../../../deploy/demo/tiny-model.js';
import { privateCache } from '../../integration/prospect.js';
import type { Browser } from '../../support/chromium/browser.js';
import { terminalPicture } from './picture.js';
import { recordTerminal } from './record.js';
import { Screen } from './screen.js';

const COLUMNS = 104;

/** What is run, in a folder that has kto.yaml, and what it has written when the picture is taken. */
const shown = {
  args: ['train', 'kto.yaml', '--out', 'runs/shop-replies'],
  until: / 20\/48 /,
} as const;

const cli = fileURLToPath(new URL('../../../deploy/cli/main.js', import.meta.url));

/** A PNG of a terminal in which `prospect` is run on the demo's data. */
export async function drawTerminal(browser: Browser): Promise<Buffer> {
  const cwd = mkdtempSync(join(tmpdir(), 'prospect-terminal-'));
  try {
    await writeRun(cwd);
    const written = await recordTerminal({
      command: [process.execPath, cli, ...shown.args],
      cwd,
      env: { ...process.env, ...privateCache() },
      columns: COLUMNS,
      until: shown.until,
    });
    const title = `prospect ${shown.args.join(' ')}`;
    const screen = new Screen(COLUMNS);
    screen.write(`\u001b[32m$\u001b[39m ${title}\n`);
    screen.write(written.replaceAll(cwd, '/home/ada/shop'));
    return await terminalPicture(browser, title, screen.lines, COLUMNS);
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

async function writeRun(dir: string): Promise<void> {
  const data = packagePath('deploy/demo/data');
  await writeTinyModel(join(dir, 'model'), data, 1);
  copyFileSync(join(data, 'feedback.jsonl'), join(dir, 'feedback.jsonl'));
  const run = {
    method: 'kto',
    model: 'model',
    data: { train: 'feedback.jsonl' },
    workers: 2,
    threads_per_worker: 1,
    desirable_weight: 'auto',
    learning_rate: 1.5e-4,
    max_length: 128,
    max_prompt_length: 48,
    global_batch_size: 32,
    micro_batch_size: 8,
    max_steps: 48,
  };
  // JSON is YAML.
  writeFileSync(join(dir, 'kto.yaml'), JSON.stringify(run));
}
