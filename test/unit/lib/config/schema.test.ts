import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { runFileJsonSchema } from '../../../../lib/config/json-schema.js';

interface JsonSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
}

/** Every key, by its path. */
function* keys(schema: JsonSchema, path = ''): Generator<[string, JsonSchema]> {
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    yield [`${path}${key}`, value];
    yield* keys(value, `${path}${key}.`);
    if (value.items !== undefined) yield* keys(value.items, `${path}${key}[].`);
  }
}

describe('the schema of a run file', () => {
  it('exports to JSON Schema with a description of every key', () => {
    const described = [...keys(runFileJsonSchema())];
    assert.ok(described.some(([key]) => key === 'stages[].data.train'));
    for (const [key, { description }] of described) assert.match(description ?? '', /\.$/, key);
  });
});
