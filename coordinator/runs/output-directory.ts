import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, open, readdir, rename, rm, rmdir, writeFile, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ConfigError, hasCode, messageOf, RunError } from '../../lib/errors.js';

/** What shows that a directory holds a run. Anything else in it (logs, say) is left alone. */
const ofARun = [
  'run.yaml',
  'metrics.jsonl',
  'evaluations.jsonl',
  'samples.jsonl',
  'tensorboard',
  'model',
  'stages',
];

/**
 * Takes a directory for a new run by writing its `run.yaml`. Of two runs that want the same directory only one gets it.
 * `undo` gives it back, as long as nothing else has been written there.
 * Throws a ConfigError where it holds a run already, or cannot be written.
 */
export async function claimOutputDirectory(
  dir: string,
  runYaml: string,
): Promise<{ readonly undo: () => Promise<void> }> {
  const runFile = join(dir, 'run.yaml');
  let firstNew: string | undefined;
  try {
    firstNew = await mkdir(dir, { recursive: true });
    const found = (await readdir(dir)).find((name) => ofARun.includes(name));
    if (found !== undefined) throw holdsARun(dir, found);
    await writeNew(runFile, runYaml);
  } catch (error) {
    await removeEmpty(dir, firstNew);
    if (error instanceof ConfigError) throw error;
    if (hasCode(error, 'EEXIST')) throw holdsARun(dir, 'run.yaml');
    throw new ConfigError(`cannot write to the output directory ${dir}: ${messageOf(error)}`);
  }
  const undo = async () => {
    await rm(runFile);
    await removeEmpty(dir, firstNew);
  };
  return { undo };
}

/** Where a stage's model goes: the last stage's is the run's model. */
export function stageModelDirectory(
  outputDir: string,
  stage: { readonly number: number; readonly count: number; readonly method: string },
): string {
  const { number, count, method } = stage;
  return number === count
    ? join(outputDir, 'model')
    : join(outputDir, 'stages', `${number}-${method}`, 'model');
}

/**
 * Removes what a worker had written of the stages' models when it was killed. (It writes each under such a name beside
 * its place, and moves it there when it is complete, in place of what was there.) Call it when no worker is left.
 */
export async function removePartialModels(modelDirectories: readonly string[]): Promise<void> {
  for (const directory of modelDirectories) {
    const parent = dirname(directory);
    if (!existsSync(parent)) continue;
    const partial = new RegExp(`^\\.${basename(directory)}\\.\\d+\\.(tmp|old)$`);
    const found = (await readdir(parent)).filter((name) => partial.test(name));
    for (const name of found) await rm(join(parent, name), { recursive: true, force: true });
  }
}

export function logFileOf(outputDir: string, name: string): string {
  return join(outputDir, 'logs', `${name}.log`);
}

/** A file of a line for each of something. The journal comes first: a line is written once what it tells of is there. */
export class LinesFile {
  readonly #file: string;
  readonly #handle: FileHandle;
  #bytes: number;

  private constructor(file: string, handle: FileHandle, bytes: number) {
    this.#file = file;
    this.#handle = handle;
    this.#bytes = bytes;
  }

  /** Makes the file anew with these lines, and opens it for more. Throws a RunError where it cannot. */
  static async rebuild(file: string, lines: readonly string[]): Promise<LinesFile> {
    const temporary = `${file}.${randomUUID()}.tmp`;
    try {
      const handle = await open(temporary, 'ax');
      try {
        await handle.writeFile(lines.map((line) => `${line}\n`).join(''));
        await handle.sync();
        await rename(temporary, file);
        return new LinesFile(file, handle, (await handle.stat()).size);
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      await rm(temporary, { force: true });
      throw cannotBeWritten(file, error);
    }
  }

  /** Throws a RunError where the line cannot be written; nothing of it is in the file then. */
  async append(json: string): Promise<void> {
    const line = Buffer.from(`${json}\n`);
    try {
      await this.#handle.appendFile(line);
      this.#bytes += line.length;
    } catch (error) {
      await this.#handle.truncate(this.#bytes);
      await this.#handle.sync();
      throw cannotBeWritten(this.#file, error);
    }
  }

  /** Resolves once all lines are on the disk. */
  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async close(): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
  }
}

function cannotBeWritten(file: string, error: unknown): RunError {
  return new RunError(`${file} cannot be written (${messageOf(error)}): see that its disk has free space`);
}

/** Writes a file that must not exist yet: complete or not at all, and never over another one. */
async function writeNew(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, text);
    await link(temporary, file);
  } finally {
    await rm(temporary, { force: true });
  }
}

function holdsARun(dir: string, found: string): ConfigError {
  return new ConfigError(`${dir} already holds a run (${found}): choose another --out, or remove it`);
}

/** Removes a directory and those above it up to the first one that was new, but none that holds something. */
async function removeEmpty(dir: string, firstNew: string | undefined): Promise<void> {
  if (firstNew === undefined) return;
  for (let path = dir; path.startsWith(firstNew); path = dirname(path)) {
    try {
      await rmdir(path);
    } catch (error) {
      if (hasCode(error, 'ENOTEMPTY') || hasCode(error, 'ENOENT')) return;
      throw error;
    }
  }
}
