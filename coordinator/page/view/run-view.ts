import { addPoint, curveKeys, emptyCurve, evaluationKeys, type Curve, type EvaluationKey } from './curve.js';
import { evaluationPoint, numberOf, stepPoint } from './step-point.js';
import { addLine, describe, type LogLine } from './log.js';
import { addSamples, emptySamples, type SampleHistory } from './samples.js';
import {
  hasEnded,
  phases,
  type PhaseTimes,
  type RunEvent,
  type RunSummary,
  type WorkerStep,
} from './events.js';

/** All that the page shows of a run, of a size that does not grow with the run. The server makes it, the page goes on. */
export interface RunView {
  /** Of the last event in it; 0 for none. */
  sequence: number;
  run: RunSummary;
  /** When it left the queue, the last time; null for not yet. */
  startedAtMs: number | null;
  readonly stages: StageView[];
  readonly workers: WorkerView[];
  /** Of the current workers; 0 until they are known. */
  generation: number;
  /** Conditions that a diagnosis has found and that still hold, oldest first. */
  readonly conditions: Condition[];
  /** The newest lines last. */
  readonly log: LogLine[];
}

export interface StageView {
  /** From 1. */
  readonly number: number;
  readonly count: number;
  readonly method: string;
  readonly totalSteps: number;
  /** Its last committed step. */
  step: number;
  /** Tokens up to it. */
  tokens: number;
  /** Of the latest steps, the newest counting most; null before the first. */
  meanStepTimeMs: number | null;
  readonly curve: Curve;
  /** Of the held-out rows; step 0 is the stage's start. */
  readonly evaluations: Curve<EvaluationKey>;
  readonly samples: SampleHistory;
}

export interface WorkerView {
  readonly id: string;
  state: 'training' | 'lost' | 'ended';
  /** Why it is lost; empty otherwise. */
  reason: string;
  /** When it got this state. */
  sinceMs: number;
  /** Examples of its last step. */
  examples: number;
  /** Of its latest steps, the newest counting most; null before the first. */
  meanTimes: PhaseTimes | null;
}

export interface Condition {
  readonly key: string;
  readonly text: string;
  readonly sinceMs: number;
}

/** Weight of a new time in a running mean: about the last twenty steps count. */
const MEAN_WEIGHT = 0.1;

export function beginView(run: RunSummary): RunView {
  return {
    sequence: 0,
    run,
    startedAtMs: null,
    stages: [],
    workers: [],
    generation: 0,
    conditions: [],
    log: [],
  };
}

/** Brings a view up to an event; one that it has seen already changes nothing. */
export function applyEvent(view: RunView, event: RunEvent): void {
  if (event.sequence <= view.sequence) return;
  view.sequence = event.sequence;
  const line = describe(event, view);
  if (line !== null) addLine(view.log, line);
  switch (event.kind) {
    case 'run':
      if (event.run.state === 'starting') view.startedAtMs = event.timeMs;
      view.run = event.run;
      if (hasEnded(event.run.state)) endWorkers(view, event.timeMs);
      break;
    case 'stage':
      beginStage(view, event);
      break;
    case 'step':
      addStep(view, event);
      break;
    case 'notice':
      applyNotice(view, event);
      break;
    case 'membership':
      applyMembership(view, event);
      break;
    case 'evaluation':
      addEvaluation(view, event);
      break;
    case 'samples': {
      const { step, completions, omitted } = event;
      const stage = stageOf(view, event.stage);
      if (stage !== undefined) addSamples(stage.samples, { step, completions, omitted });
      break;
    }
    case 'checkpoint':
      break;
  }
}

const stageOf = ({ stages }: RunView, number: number) => stages.find((stage) => stage.number === number);

function beginStage(view: RunView, event: Extract<RunEvent, { kind: 'stage' }>): void {
  // A run that is resumed starts its stage again, and keeps what it has.
  if (stageOf(view, event.stage) !== undefined) return;
  view.stages.push({
    number: event.stage,
    count: event.stageCount,
    method: event.method,
    totalSteps: event.totalSteps,
    step: 0,
    tokens: 0,
    meanStepTimeMs: null,
    curve: emptyCurve(curveKeys),
    evaluations: emptyCurve(evaluationKeys),
    samples: emptySamples(),
  });
}

function addStep(view: RunView, event: Extract<RunEvent, { kind: 'step' }>): void {
  const stage = stageOf(view, event.stage);
  const step = numberOf(event.row, 'step');
  if (stage === undefined || step === null || step <= stage.step) return;
  view.run = { ...view.run, committedSteps: view.run.committedSteps + 1 };
  addPoint(stage.curve, step, stepPoint(event.row, stage));
  const tokens = numberOf(event.row, 'num_tokens');
  const seconds = numberOf(event.row, 'step_time_s');
  stage.step = step;
  stage.tokens = tokens ?? stage.tokens;
  if (seconds !== null) stage.meanStepTimeMs = runningMean(stage.meanStepTimeMs, seconds * 1000);
  for (const worker of event.workers) addWorkerStep(view, worker, event.timeMs);
}

function addEvaluation(view: RunView, { stage, step, row }: Extract<RunEvent, { kind: 'evaluation' }>): void {
  const evaluations = stageOf(view, stage)?.evaluations;
  if (evaluations === undefined || step <= (evaluations.steps.at(-1) ?? -1)) return;
  addPoint(evaluations, step, evaluationPoint(row));
}

function addWorkerStep(view: RunView, { id, examples, times }: WorkerStep, timeMs: number): void {
  const worker = workerOf(view, id, timeMs);
  worker.examples = examples;
  const before = worker.meanTimes;
  worker.meanTimes = Object.fromEntries(
    phases.map((phase) => [phase, runningMean(before?.[phase] ?? null, times[phase])]),
  ) as unknown as PhaseTimes;
}

const runningMean = (mean: number | null, value: number) =>
  mean === null ? value : mean + MEAN_WEIGHT * (value - mean);

function applyNotice(
  { conditions }: RunView,
  { condition: key, text, warning, timeMs }: Extract<RunEvent, { kind: 'notice' }>,
): void {
  if (key === '') return;
  const open = conditions.findIndex((condition) => condition.key === key);
  if (open >= 0) conditions.splice(open, 1);
  if (warning) conditions.push({ key, text, sinceMs: timeMs });
}

function applyMembership(view: RunView, event: Extract<RunEvent, { kind: 'membership' }>): void {
  view.generation = event.generation;
  for (const id of event.workers) setState(workerOf(view, id, event.timeMs), 'training', '', event.timeMs);
  for (const worker of view.workers) {
    if (event.workers.includes(worker.id)) continue;
    const reason = event.lost.find(({ id }) => id === worker.id)?.reason;
    if (reason !== undefined || worker.state === 'training') {
      setState(worker, 'lost', reason ?? worker.reason, event.timeMs);
    }
  }
}

function endWorkers(view: RunView, timeMs: number): void {
  for (const worker of view.workers) if (worker.state === 'training') setState(worker, 'ended', '', timeMs);
}

function setState(worker: WorkerView, state: WorkerView['state'], reason: string, timeMs: number): void {
  if (worker.state !== state) worker.sinceMs = timeMs;
  worker.state = state;
  worker.reason = reason;
}

/** A worker by its id; one that is new is training, as it is heard of through its work. */
function workerOf(view: RunView, id: string, timeMs: number): WorkerView {
  const known = view.workers.find((worker) => worker.id === id);
  if (known !== undefined) return known;
  const worker: WorkerView = {
    id,
    state: 'training',
    reason: '',
    sinceMs: timeMs,
    examples: 0,
    meanTimes: null,
  };
  view.workers.push(worker);
  view.workers.sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  return worker;
}
