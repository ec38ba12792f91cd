import type { v1 } from '../../../proto/services.js';
import type { Output, Terminal } from '../output/terminal.js';
import { getRun, readLog } from '../runs/run-client.js';
import type { Coordinator } from './coordinator.js';
import type { LogsMode } from './logs.js';
import { announcerOf } from './patience.js';
import { requireCompleted, watching, whileRead } from './watch.js';

/** Prints what a process of a run has logged. @throws what the run ends with, where it is followed */
export async function printProcessLog(
  run: v1.Run,
  process: string,
  { follow, json }: LogsMode,
  coordinator: Coordinator,
  { out, err }: Terminal,
): Promise<void> {
  const { client } = coordinator;
  const print = json ? printJsonLines : printText;
  if (!follow) {
    await print(readLog(client, run.id, { process, offset: 0, follow: false }), out);
    return;
  }
  const ended = await watching(run, coordinator, announcerOf(err), async ({ log, patience, signal }) => {
    await print(log(run.id, process), out);
    return patience.call(() => getRun(client, run.id, { signal }));
  });
  if (await out.ready()) requireCompleted(ended, coordinator);
}

async function printText(pieces: AsyncIterable<Uint8Array>, out: Output): Promise<void> {
  const decoder = new TextDecoder();
  for await (const data of whileRead(pieces, out)) out.write(decoder.decode(data, { stream: true }));
  out.write(decoder.decode());
}

/** A longer line is printed in parts. */
const maxLineLength = 2 ** 20;

/** Lines that are JSON objects, as processes mostly write them, stay as they are; another one becomes a message. */
async function printJsonLines(pieces: AsyncIterable<Uint8Array>, out: Output): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const data of whileRead(pieces, out)) {
    const lines = (rest + decoder.decode(data, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const line of lines) printJsonLine(line, out);
    if (rest.length > maxLineLength) {
      printJsonLine(rest, out);
      rest = '';
    }
  }
  if (rest !== '') printJsonLine(rest, out);
}

function printJsonLine(line: string, out: Output): void {
  if (line !== '') out.line(isJsonObject(line) ? line : JSON.stringify({ msg: line }));
}

function isJsonObject(line: string): boolean {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
