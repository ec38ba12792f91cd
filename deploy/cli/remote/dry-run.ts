import { formatBytes } from '../output/numbers.js';
import { formatTable } from '../output/table.js';
import type { Output } from '../output/terminal.js';
import type { LocalInput } from './inputs.js';
import { sizesOf, type Submission } from './submission.js';

/** What would be sent, for people. */
export function printDryRun(submission: Submission, out: Output): void {
  const rows = submission.inputs.map((input) => {
    if (input.kind === 'shared') return [input.path, '', '', 'used in place'];
    if (input.kind === 'source') return [input.path, '', '', 'fetched by the coordinator'];
    const bytes = input.files.reduce((sum, { size }) => sum + size, 0);
    const missing = missingBytes(submission, input);
    const send = missing === 0 ? 'there already' : formatBytes(missing);
    return [input.path, String(input.files.length), formatBytes(bytes), send];
  });
  for (const line of formatTable({ header: ['path', 'files', 'size', 'to send'], rows })) out.line(line);
}

/** The same as `--json` prints it. */
export function dryRunJson(submission: Submission) {
  const { name, config, inputs, hashed } = submission;
  return {
    name,
    workers: config.workers,
    ...sizesOf(submission),
    inputs: inputs.map((input) =>
      input.kind !== 'local'
        ? { path: input.path, usedInPlace: input.kind === 'shared' }
        : {
            path: input.path,
            usedInPlace: false,
            files: input.files.map((file) => {
              const { sha256 } = hashed.get(file.path)!;
              return { name: file.name, bytes: file.size, sha256, heldBytes: heldOf(submission, sha256) };
            }),
          },
    ),
  };
}

function missingBytes(submission: Submission, { files }: LocalInput): number {
  return files
    .map((file) => file.size - heldOf(submission, submission.hashed.get(file.path)!.sha256))
    .reduce((sum, bytes) => sum + bytes, 0);
}

function heldOf({ uploads }: Submission, sha256: string): number {
  return uploads.find(({ file }) => file.sha256 === sha256)!.held;
}
