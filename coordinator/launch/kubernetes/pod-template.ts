import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { ConfigError, messageOf } from '../../../lib/errors.js';

/** The containers that the coordinator knows; an admin may add others. */
export const SUPERVISOR = 'supervisor';
export const REPLICA = 'reference';

const containerSchema = z.looseObject({
  name: z.string(),
  env: z.array(z.looseObject({ name: z.string() })).optional(),
  resources: z
    .looseObject({
      requests: z.record(z.string(), z.unknown()).optional(),
      limits: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
});

const templateSchema = z.looseObject({
  metadata: z
    .looseObject({
      labels: z.record(z.string(), z.string()).optional(),
      annotations: z.record(z.string(), z.string()).optional(),
    })
    .optional(),
  spec: z.looseObject({
    restartPolicy: z.literal('Never'),
    containers: z.array(containerSchema),
    initContainers: z.array(containerSchema).optional(),
    affinity: z
      .looseObject({
        podAntiAffinity: z
          .looseObject({ requiredDuringSchedulingIgnoredDuringExecution: z.array(z.unknown()).optional() })
          .optional(),
      })
      .optional(),
  }),
});

export type Container = z.infer<typeof containerSchema>;
/** The pod of one node. What is not named here passes as it is. */
export type PodTemplate = z.infer<typeof templateSchema>;

/** Reads a PodTemplate object. @throws ConfigError */
export function readPodTemplate(file: string): PodTemplate {
  const template = z.looseObject({ kind: z.literal('PodTemplate'), template: templateSchema });
  const result = template.safeParse(readYaml(file));
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new ConfigError(`${file}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
  }
  const { containers } = result.data.template.spec;
  if (!containers.some(({ name }) => name === SUPERVISOR)) {
    throw new ConfigError(`${file}: no container is called ${SUPERVISOR}`);
  }
  return result.data.template;
}

function readYaml(file: string): unknown {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ConfigError(`cannot read the worker template ${file}: ${messageOf(error)}`);
  }
}
