import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PROFILED_STEPS } from '../../../lib/profile.js';
import { writeFileAtomically } from '../atomic-file.js';
import { formatTable, type Table } from '../output/table.js';
import type { Output } from '../output/terminal.js';
import { partsOf, type Part } from './parts.js';
import { readThreads } from './threads.js';
import { traceOf } from './trace.js';

/** Where the threads of a run write what they do while it is profiled. */
export function profileDirectory(outputDir: string): string {
  return join(outputDir, 'profile');
}

/** Makes one file of what the threads of a run recorded, and prints where a step's time went. */
export async function writeProfile(outputDir: string, out: Output): Promise<void> {
  const directory = profileDirectory(outputDir);
  const threads = await readThreads(directory);
  if (threads.every(({ spans }) => spans.length === 0)) {
    out.line('profile: no step was finished, and nothing was recorded');
    return;
  }
  const file = join(outputDir, 'profile.json');
  await writeFileAtomically(file, JSON.stringify(traceOf(threads)));
  await rm(directory, { recursive: true });
  out.line('');
  for (const line of formatTable(tableOf(partsOf(threads)))) out.line(line);
  const peak = Math.max(...threads.map(({ peakFlops }) => peakFlops ?? 0));
  out.line(
    `profile of the first ${PROFILED_STEPS} steps: ${file}, for ui.perfetto.dev or chrome://tracing; ` +
      `the table is of a step on one worker, without the first; a large product reaches ${gigaflops(peak)} GFLOP/s here`,
  );
}

function tableOf(parts: readonly Part[]): Table {
  return {
    header: ['thread', 'part', 'ms a step', 'share', 'GFLOP/s', 'of the peak'],
    align: ['left', 'left', 'right', 'right', 'right', 'right'],
    rows: parts.map(({ thread, name, milliseconds, share, flopsPerSecond, ofPeak }) => [
      thread,
      name,
      milliseconds.toFixed(1),
      percent(share),
      ofPeak === null ? '' : gigaflops(flopsPerSecond),
      ofPeak === null ? '' : percent(ofPeak),
    ]),
  };
}

const gigaflops = (flops: number) => (flops / 1e9).toFixed(0);
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
