import { availableParallelism } from 'node:os';
import { close, openBytes } from '../../../coordinator/data/formats/byte-source.js';
import { TextTokenizer } from '../../../coordinator/data/tokenizer.js';
import { loadHeldOut } from '../../../coordinator/plan/held-out.js';
import { longestSequence } from '../../../coordinator/plan/unit.js';
import { loadStageRows } from '../../../coordinator/plan/stage-rows.js';
import { startOf, type EarlierStage } from '../../../coordinator/plan/stage-start.js';
import { runSources } from '../../../coordinator/sources/run-sources.js';
import { locateRunFile, type LocatedRun } from '../../../lib/config/load.js';
import type { RunConfig, StageConfig } from '../../../lib/config/types.js';
import { needsOf } from '../../../lib/methods/needs.js';
import { describePolicy, type DescribedPolicy, type PolicySource } from './policy.js';
import { Problems } from './problems.js';
import type { CheckReport, StageReport } from './report.js';
import { RowCounts } from './rows.js';
import { reportStage, requireToFit } from './stage.js';
import { warningsOf } from './warnings.js';

export interface CheckOptions {
  readonly runFile: string;
  /** `key=value`, applied over the run file in order. */
  readonly overrides: readonly string[];
  /** Leave bad rows out and count them, instead of finding them wrong. */
  readonly skipBadRows: boolean;
  /** Whether it is to train on this machine, whose memory must do then. */
  readonly trainsHere: boolean;
  /** Has what the run names elsewhere here; called where it does. */
  readonly fetch: (run: RunConfig) => Promise<RunConfig>;
}

/** What can be known of a run before it trains. Nothing is written but what has to be fetched, and no weight is read. */
export async function checkRun(options: CheckOptions): Promise<CheckReport> {
  const { runFile, overrides, skipBadRows, trainsHere } = options;
  const read = locateRunFile(runFile, { set: overrides, cores: availableParallelism() });
  const config = runSources(read.config).length === 0 ? read.config : await options.fetch(read.config);
  const located = { ...read, config };
  const problems = new Problems(skipBadRows);
  const stages: StageReport[] = [];
  let earlier: CheckedStage | undefined;
  for (const index of config.stages.keys()) {
    const checked = await checkStage(located, index, earlier, problems);
    if (checked?.report) stages.push(checked.report);
    earlier = checked ?? undefined;
    if (earlier === undefined) break;
  }
  return {
    workers: config.workers,
    threadsPerWorker: config.threadsPerWorker,
    stages,
    problems: problems.lines,
    warnings: [...problems.warnings, ...warningsOf(config, stages, { trainsHere })],
  };
}

/** Of what there is to check the rows with, null is what is not known; whether they are there can be known all the same. */
async function checkHeldOut(
  stage: StageConfig,
  {
    tokenizer,
    policy,
  }: { readonly tokenizer: TextTokenizer | null; readonly policy: DescribedPolicy | null },
  place: string,
  problems: Problems,
): Promise<void> {
  const { eval: file } = stage.data;
  if (file === null) return;
  const counts = new RowCounts();
  await problems.during(place, async () => {
    if (tokenizer === null) return close(await openBytes(file));
    const rows = await loadHeldOut(stage, tokenizer, { skipBadRows: true, watcher: counts });
    const longest = Math.max(...(rows?.examples ?? []).map(longestSequence));
    if (policy !== null) requireToFit(longest, policy, stage);
  });
  counts.report(file, problems);
}

/** A stage that could be looked at; what the next one starts from. */
interface CheckedStage extends EarlierStage {
  readonly policy: DescribedPolicy | null;
  readonly report: StageReport | null;
}

/** Null where not even what it starts from is known. */
async function checkStage(
  { config: run, placeOf }: LocatedRun,
  index: number,
  earlier: CheckedStage | undefined,
  problems: Problems,
): Promise<CheckedStage | null> {
  const stage = run.stages[index]!;
  const number = index + 1;
  const at = (...path: Parameters<typeof placeOf> extends [number, ...infer Rest] ? Rest : never) =>
    placeOf(index, ...path);
  const start = await problems.during(at('model'), () => startOf(stage, number, earlier));
  if (start === null) return null;
  const { from, tokenizerDir } = start;
  const source = sourceOf(from, earlier);
  const policy =
    source === null
      ? null
      : await problems.during(at(placeOfAdapter(stage)), () => describePolicy(source, stage.objective));
  const reference = await problems.during(at('reference'), () => referenceOf(stage, source, policy));
  const tokenizer = await problems.during(at('model'), () => TextTokenizer.load(tokenizerDir));
  const counts = new RowCounts();
  const rows = await problems.during(at('data', 'train'), async () => {
    if (tokenizer !== null) {
      const reading = { skipBadRows: true, watcher: counts };
      return loadStageRows(stage.data.train, stage, tokenizer, reading);
    }
    // What its rows are worth cannot be known; whether it is there can.
    await close(await openBytes(stage.data.train));
    return null;
  });
  counts.report(stage.data.train, problems);
  await checkHeldOut(stage, { tokenizer, policy }, at('data', 'eval'), problems);
  const report =
    policy === null || tokenizer === null || rows === null
      ? null
      : await problems.during(at('data', 'train'), () =>
          reportStage({
            number,
            config: stage,
            run,
            tokenizer,
            rows,
            counts,
            policy,
            reference,
            startsFrom: from.adapter ?? from.model,
          }),
        );
  const outputDir = `what stage ${number} writes`;
  return {
    config: { ...stage, ...from },
    tokenizerDir,
    outputDir,
    policy,
    report,
  };
}

/** Null where it is what the stage before writes, and that is not known. */
function sourceOf(
  {
    model,
    adapter,
    lora,
  }: { readonly model: string; readonly adapter: string | null; readonly lora: StageConfig['lora'] },
  earlier: CheckedStage | undefined,
): PolicySource | null {
  const isWritten = (directory: string | null) => earlier !== undefined && directory === earlier.outputDir;
  if (!isWritten(model) && !isWritten(adapter)) return { model, adapter, lora };
  if (earlier?.policy === null || earlier === undefined) return null;
  const { description } = earlier.policy;
  return { model: description, adapter: isWritten(adapter) ? earlier.policy.adapter : null, lora };
}

const placeOfAdapter = ({ adapter, lora }: StageConfig) =>
  lora !== null ? 'lora' : adapter !== null ? 'adapter' : 'model';

/** Null for a method without a reference. */
function referenceOf(
  { objective, reference }: StageConfig,
  source: PolicySource | null,
  policy: DescribedPolicy | null,
): DescribedPolicy | null {
  if (!needsOf(objective).reference || source === null || policy === null) return null;
  if (reference !== null && reference !== 'base') {
    return describePolicy({ model: reference.directory, adapter: null, lora: null }, { method: 'sft' });
  }
  const adapter = reference === 'base' ? null : source.adapter;
  return describePolicy({ model: policy.description, adapter, lora: null }, { method: 'sft' });
}
