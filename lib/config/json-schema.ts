import { z } from 'zod';

import { runFileSchema } from './schema.js';

/**
 * The JSON Schema of a run file, by which editors complete keys and show what they mean. Draft 7, the newest that
 * yaml-language-server knows in full.
 */
export function runFileJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(runFileSchema, { target: 'draft-7', io: 'input' });
  return { $schema, title: 'Prospect run file', ...schema };
}

/** The schema as a file. */
export function renderJsonSchema(): string {
  return `${JSON.stringify(runFileJsonSchema(), null, 2)}\n`;
}
