import { randomUUID } from 'node:crypto';

/** What a checkpoint is of. */
export interface CheckpointId {
  readonly stage: number;
  readonly step: number;
}

const COMPLETE = /^stage-(\d+)-step-(\d+)$/;
const TEMPORARY = /^\.stage-\d+-step-\d+\.[0-9a-f-]{36}\.tmp$/;

/** A complete checkpoint's directory. Zeros in front let the names sort as the numbers do. */
export function directoryName({ stage, step }: CheckpointId): string {
  return `stage-${String(stage).padStart(2, '0')}-step-${String(step).padStart(8, '0')}`;
}

/** Null for a name that directoryName does not give. */
export function parseDirectoryName(name: string): CheckpointId | null {
  const match = COMPLETE.exec(name);
  if (match === null) return null;
  const id = { stage: Number(match[1]), step: Number(match[2]) };
  return directoryName(id) === name ? id : null;
}

/** By the order of training. */
export function compareIds(a: CheckpointId, b: CheckpointId): number {
  return a.stage - b.stage || a.step - b.step;
}

/**
 * A directory on its way in or out: hidden, beside its place, and never the same twice, so that a worker that is late with
 * an abandoned checkpoint does not write into the next one.
 */
export function temporaryName(id: CheckpointId): string {
  return `.${directoryName(id)}.${randomUUID()}.tmp`;
}

export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}
