/** Names one operation of a generation, alike on all ranks. Tags grow from one operation to the next. */
export interface OperationTag {
  readonly stage: number;
  readonly step: number;
  /** Distinct per operation within a step. */
  readonly phase: number;
}

/** Negative where `a` comes before `b`. */
export const compareTags = (a: OperationTag, b: OperationTag) =>
  a.stage - b.stage || a.step - b.step || a.phase - b.phase;

export const describeTag = ({ stage, step, phase }: OperationTag) =>
  `stage ${stage}, step ${step}, phase ${phase}`;
