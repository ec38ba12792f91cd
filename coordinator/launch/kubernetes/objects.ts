import { z } from 'zod';
import { ApiError } from './api-error.js';
import type { Resource } from './kubernetes-api.js';

/** What the coordinator reads of Kubernetes' objects; the rest of them passes unread. */

export const jobs: Resource = { group: 'batch', version: 'v1', plural: 'jobs' };
export const pods: Resource = { group: '', version: 'v1', plural: 'pods' };

/** On all that is made of a run: its id. */
export const RUN_LABEL = 'prospect.dev/run';

const texts = z.record(z.string(), z.string());

const ownerSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string(),
  controller: z.boolean().optional(),
});

const metadataSchema = z.looseObject({
  name: z.string(),
  uid: z.string(),
  resourceVersion: z.string(),
  labels: texts.optional(),
  annotations: texts.optional(),
  ownerReferences: z.array(ownerSchema).optional(),
  /** Set while it is being deleted. */
  deletionTimestamp: z.string().optional(),
});

const conditionSchema = z.looseObject({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
});

export const objectSchema = z.looseObject({ metadata: metadataSchema });

export const jobSchema = z.looseObject({
  metadata: metadataSchema,
  spec: z.looseObject({
    suspend: z.boolean().optional(),
    completions: z.int().optional(),
    parallelism: z.int().optional(),
  }),
  status: z
    .looseObject({
      conditions: z.array(conditionSchema).optional(),
      /** `1,3-5` */
      completedIndexes: z.string().optional(),
      failedIndexes: z.string().optional(),
    })
    .optional(),
});

const waitingSchema = z.looseObject({ reason: z.string().optional(), message: z.string().optional() });

const containerStatusSchema = z.looseObject({
  name: z.string(),
  state: z
    .looseObject({
      waiting: waitingSchema.optional(),
      running: z.looseObject({}).optional(),
      terminated: z
        .looseObject({ exitCode: z.int(), reason: z.string().optional(), message: z.string().optional() })
        .optional(),
    })
    .optional(),
});

export const podSchema = z.looseObject({
  metadata: metadataSchema,
  spec: z.looseObject({
    nodeName: z.string().optional(),
    terminationGracePeriodSeconds: z.int().optional(),
  }),
  status: z
    .looseObject({
      phase: z.string().optional(),
      message: z.string().optional(),
      conditions: z.array(conditionSchema).optional(),
      containerStatuses: z.array(containerStatusSchema).optional(),
      initContainerStatuses: z.array(containerStatusSchema).optional(),
    })
    .optional(),
});

/** Kueue's Workload, Volcano's PodGroup. */
export const queuedSchema = z.looseObject({
  metadata: metadataSchema,
  status: z.looseObject({ conditions: z.array(conditionSchema).optional() }).optional(),
});

const listSchema = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string() }),
  items: z.array(z.unknown()),
});

export type OwnerReference = z.infer<typeof ownerSchema>;
export type Condition = z.infer<typeof conditionSchema>;
export type ClusterObject = z.infer<typeof objectSchema>;
export type Job = z.infer<typeof jobSchema>;
export type Pod = z.infer<typeof podSchema>;
export type Queued = z.infer<typeof queuedSchema>;

/** Reads what the API server sent. Throws an ApiError where it is not such an object. */
export function read<Out>(schema: z.ZodType<Out>, value: unknown): Out {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ApiError(0, `the API server sent ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

export function readList<Out>(
  schema: z.ZodType<Out>,
  value: unknown,
): { readonly items: readonly Out[]; readonly resourceVersion: string } {
  const { items, metadata } = read(listSchema, value);
  return { items: items.map((item) => read(schema, item)), resourceVersion: metadata.resourceVersion };
}

/** The condition of this type, where it holds. */
export function conditionOf(
  conditions: readonly Condition[] | undefined,
  type: string,
  status: 'True' | 'False' = 'True',
): Condition | undefined {
  return conditions?.find((condition) => condition.type === type && condition.status === status);
}
