import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../lib/errors.js';
import { writeFileAtomically } from '../atomic-file.js';
import { formatPercent } from '../output/numbers.js';
import { formatTable, type Table } from '../output/table.js';
import type { Output, Terminal } from '../output/terminal.js';
import { partsOf, type Part } from './parts.js';
import { peakOf, readThreads } from './threads.js';
import { traceOf } from './trace.js';

/** Where the threads of a run write what they do while it is profiled. */
export function profileDirectory(outputDir: string): string {
  return join(outputDir, 'profile');
}

/**
 * Runs `body`, a run whose threads record what they do; makes one file of that, and prints where a step's time went. Of a run that
 * is stopped or fails too, as far as it came.
 */
export async function withProfile(
  outputDir: string,
  { out, err }: Terminal,
  body: () => Promise<void>,
): Promise<void> {
  // Of an earlier attempt.
  await rm(profileDirectory(outputDir), { recursive: true, force: true });
  try {
    await body();
  } catch (error) {
    await writeProfile(outputDir, out).catch((reason: unknown) => err.line(messageOf(reason)));
    throw error;
  }
  await writeProfile(outputDir, out);
}

async function writeProfile(outputDir: string, out: Output): Promise<void> {
  const directory = profileDirectory(outputDir);
  const threads = await readThreads(directory);
  const steps = new Set(threads.flatMap(({ spans }) => spans.flatMap(({ step }) => step ?? []))).size;
  if (steps > 0) {
    const file = join(outputDir, 'profile.json');
    await writeFileAtomically(file, JSON.stringify(traceOf(threads)));
    out.line('');
    for (const line of formatTable(tableOf(partsOf(threads)))) out.line(line);
    out.line(
      `${file}: what each thread did, for ui.perfetto.dev or chrome://tracing; the table is of a step on one worker` +
        `${steps > 1 ? ', without the first' : ''}; a large product reaches ${gigaflops(peakOf(threads))} GFLOP/s here`,
    );
  }
  await rm(directory, { recursive: true, force: true });
}

function tableOf(parts: readonly Part[]): Table {
  return {
    header: ['thread', 'part', 'ms a step', 'share', 'GFLOP/s', 'of the peak'],
    align: ['left', 'left', 'right', 'right', 'right', 'right'],
    rows: parts.map(({ thread, name, milliseconds, share, flopsPerSecond, ofPeak }) => [
      thread,
      name,
      milliseconds.toFixed(1),
      formatPercent(share),
      ofPeak === null ? '' : gigaflops(flopsPerSecond),
      ofPeak === null ? '' : formatPercent(ofPeak),
    ]),
  };
}

const gigaflops = (flops: number) => (flops / 1e9).toFixed(0);
