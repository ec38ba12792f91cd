// Records a run for the pictures: node dist/test/screenshots/record.js DIR, where DIR is the output directory of a run that
// has ended, such as one that `prospect demo --out .../shop-replies` made. Its name is the directory's.
import { writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Journal } from '../../coordinator/journal/journal.js';
import { packagePath } from '../../lib/package.js';
import { v1 } from '../../proto/services.js';
import { recordingFile } from './recording.js';

const PAGE_EVENTS = 256;

/** All events of the only run of a journal, as JSON. */
function readEvents(stateDir: string): string[] {
  const journal = Journal.open(stateDir);
  try {
    const [run, ...others] = journal.runs();
    if (run === undefined || others.length > 0) throw new Error(`${stateDir} does not hold one run`);
    const lines: string[] = [];
    for (;;) {
      const events = journal.eventsAfter(run.id, lines.length, PAGE_EVENTS);
      if (events.length === 0) return lines;
      lines.push(
        ...events.map((event) => JSON.stringify(v1.WatchRunResponse.toObject(event, { enums: String }))),
      );
    }
  } finally {
    journal.close();
  }
}

/** The paths of this machine, as those of another. */
function withOtherPaths(line: string, outputDir: string): string {
  return line
    .replaceAll(outputDir, `/home/ada/runs/${basename(outputDir)}`)
    .replaceAll(dirname(outputDir), '/home/ada/runs')
    .replaceAll(packagePath('deploy/demo/data'), '/home/ada/shop/data');
}

const [directory] = process.argv.slice(2);
if (directory === undefined) throw new Error('give the output directory of a run');
const outputDir = resolve(directory);
const lines = readEvents(join(outputDir, 'state')).map((line) => withOtherPaths(line, outputDir));
writeFileSync(recordingFile, gzipSync(lines.map((line) => `${line}\n`).join(''), { level: 9 }));
