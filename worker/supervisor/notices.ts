import { z } from 'zod';
import type { ReferenceModel } from '../../lib/config/reference-model.js';

const schema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('reference-wanted'),
    stage: z.int().positive(),
    model: z.object({ modelDir: z.string(), adapterDir: z.string().nullable() }),
  }),
  z.object({ kind: z.literal('step-done') }),
]);

/** What a worker tells the supervisor that started it, over its IPC channel. */
export type WorkerNotice =
  | { readonly kind: 'reference-wanted'; readonly stage: number; readonly model: ReferenceModel }
  /** It has taken part in a committed step: what failed before is forgiven. */
  | { readonly kind: 'step-done' };

/** Worker side. Without a supervisor nobody listens. */
export function tellSupervisor(notice: WorkerNotice): void {
  if (process.connected) process.send?.(notice);
}

/** Supervisor side: null for what is no notice. */
export function readNotice(message: unknown): WorkerNotice | null {
  return schema.safeParse(message).data ?? null;
}
