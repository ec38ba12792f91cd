import { isDeepStrictEqual } from 'node:util';

/** A committed step, as the journal holds it. */
export interface JournalStep {
  readonly stage: number;
  readonly step: number;
  readonly generation: number;
  readonly metricsJson: string;
  /** Which worker computed which rows of the data. */
  readonly work: readonly { readonly workerId: string; readonly rows: readonly number[] }[];
}

export interface JournalMembership {
  readonly generation: number;
  readonly workers: readonly string[];
}

/** What the coordinator remembers of one run. */
export interface JournalRecord {
  readonly steps: readonly JournalStep[];
  readonly memberships: readonly JournalMembership[];
}

/** What a stage was to be trained on, whatever happens to the workers. */
export interface StagePlan {
  readonly stage: number;
  /** Rows of every step's batch, in order. */
  readonly batches: readonly (readonly number[])[];
  readonly stepsPerEpoch: number;
}

/**
 * Whether every planned step was committed once, in order, by members of its generation, and every example of it was
 * used exactly once. Returns one line for each thing that is not so.
 */
export function auditJournal({ steps, memberships }: JournalRecord, plans: readonly StagePlan[]): string[] {
  return [
    ...auditOrder(steps, plans),
    ...auditGenerations(steps, memberships),
    ...steps.flatMap((step) => auditRows(step, plans)),
    ...plans.flatMap((plan) => auditEpochs(plan, steps)),
  ];
}

const nameOf = ({ stage, step }: Pick<JournalStep, 'stage' | 'step'>) => `stage ${stage}, step ${step}`;

function auditOrder(steps: readonly JournalStep[], plans: readonly StagePlan[]): string[] {
  const planned = plans.flatMap(({ stage, batches }) =>
    batches.map((_, i) => nameOf({ stage, step: i + 1 })),
  );
  const committed = steps.map(nameOf);
  const times = countEach(committed);
  const wrong = [...new Set([...planned, ...committed])].flatMap((name) => {
    if (!times.has(name)) return [`${name} was never committed`];
    if (!planned.includes(name)) return [`${name} was committed and never planned`];
    return times.get(name) === 1 ? [] : [`${name} was committed ${times.get(name)} times`];
  });
  if (wrong.length === 0 && !isDeepStrictEqual(planned, committed)) wrong.push('steps are out of order');
  return wrong;
}

/** Generations only grow, and only members of a generation work in it. */
function auditGenerations(
  steps: readonly JournalStep[],
  memberships: readonly JournalMembership[],
): string[] {
  const wrong: string[] = [];
  for (const [generation, times] of countEach(memberships.map(({ generation }) => generation))) {
    if (times > 1) wrong.push(`generation ${generation} was formed ${times} times`);
  }
  const members = new Map(memberships.map(({ generation, workers }) => [generation, new Set(workers)]));
  let newest = 0;
  for (const step of steps) {
    const { generation } = step;
    if (generation < newest) {
      wrong.push(`${nameOf(step)} is of generation ${generation}, after one of generation ${newest}`);
    }
    newest = Math.max(newest, generation);
    const known = members.get(generation);
    if (known === undefined) {
      wrong.push(`${nameOf(step)} is of generation ${generation}, which was never formed`);
      continue;
    }
    for (const { workerId } of step.work) {
      if (!known.has(workerId))
        wrong.push(`${nameOf(step)}: ${workerId} is no member of generation ${generation}`);
    }
  }
  return wrong;
}

/** The rows that workers computed are the planned batch, each once. */
function auditRows(step: JournalStep, plans: readonly StagePlan[]): string[] {
  const planned = plans.find(({ stage }) => stage === step.stage)?.batches[step.step - 1];
  if (planned === undefined) return [];
  const due = countEach(planned);
  const computed = countEach(step.work.flatMap(({ rows }) => rows));
  return [...new Set([...due.keys(), ...computed.keys()])].flatMap((row) => {
    const [expected, actual] = [due.get(row) ?? 0, computed.get(row) ?? 0];
    if (expected === actual) return [];
    const who = step.work.filter(({ rows }) => rows.includes(row)).map(({ workerId }) => workerId);
    const by = who.length === 0 ? '' : ` (by ${who.join(', ')})`;
    return [`${nameOf(step)}: row ${row} was used ${actual} times${by} instead of ${expected}`];
  });
}

/** In every whole epoch, each row was used once. */
function auditEpochs({ stage, batches, stepsPerEpoch }: StagePlan, steps: readonly JournalStep[]): string[] {
  const allRows = new Set(batches.slice(0, stepsPerEpoch).flat());
  const byStep = new Map(steps.filter((step) => step.stage === stage).map((step) => [step.step, step]));
  const wholeEpochs = Math.floor(batches.length / stepsPerEpoch);
  return Array.from({ length: wholeEpochs }, (_, epoch) => {
    const own = Array.from({ length: stepsPerEpoch }, (_, i) => byStep.get(epoch * stepsPerEpoch + i + 1));
    const used = countEach(own.flatMap((step) => step?.work.flatMap(({ rows }) => rows) ?? []));
    const wrong = [...allRows].filter((row) => used.get(row) !== 1);
    return wrong.length === 0
      ? []
      : [`stage ${stage}, epoch ${epoch}: not used once: rows ${wrong.join(', ')}`];
  }).flat();
}

function countEach<T>(items: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}
