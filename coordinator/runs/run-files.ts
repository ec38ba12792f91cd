import { join } from 'node:path';
import type { ActiveRun } from './active-run.js';
import { LinesFile } from './output-directory.js';
import { samplesLine } from './samples-line.js';

type FileName = 'metrics' | 'evaluations' | 'samples';

/** What a run writes line by line beside its models. The journal comes first, and the files are made anew from it. */
export class RunFiles {
  readonly #outputDir: string;
  readonly #files = new Map<FileName, LinesFile>();

  private constructor(outputDir: string) {
    this.#outputDir = outputDir;
  }

  /** Throws a RunError where a file cannot be written. */
  static async rebuild({ journal, record }: ActiveRun): Promise<RunFiles> {
    const files = new RunFiles(record.outputDir);
    const samples: string[] = [];
    for (const { completionsSampled } of journal.events(record.id)) {
      if (completionsSampled) samples.push(samplesLine(completionsSampled));
    }
    try {
      await files.#open('metrics', journal.committedSteps(record.id).map(metricsJsonOf));
      const evaluations = journal.evaluations(record.id).map(metricsJsonOf);
      if (evaluations.length > 0) await files.#open('evaluations', evaluations);
      if (samples.length > 0) await files.#open('samples', samples);
      return files;
    } catch (error) {
      await files.close();
      throw error;
    }
  }

  /** Throws a RunError where the line cannot be written; nothing of it is in the file then. */
  async append(name: FileName, line: string): Promise<void> {
    const file = this.#files.get(name) ?? (await this.#open(name, []));
    await file.append(line);
  }

  /** Resolves once all lines are on the disk. */
  async sync(): Promise<void> {
    for (const file of this.#files.values()) await file.sync();
  }

  async close(): Promise<void> {
    for (const file of this.#files.values()) await file.close();
  }

  async #open(name: FileName, lines: readonly string[]): Promise<LinesFile> {
    const file = await LinesFile.rebuild(join(this.#outputDir, `${name}.jsonl`), lines);
    this.#files.set(name, file);
    return file;
  }
}

const metricsJsonOf = ({ metricsJson }: { readonly metricsJson: string }) => metricsJson;
