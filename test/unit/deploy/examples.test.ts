import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { loadRunFile } from '../../../lib/config/load.js';

/** The tests run compiled, the examples stay in the source tree. */
const folder = fileURLToPath(new URL('../../../../deploy/examples', import.meta.url));

test('every example is a sound run file', () => {
  const methodsOf = (name: string) =>
    loadRunFile(join(folder, name), {}).stages.map(({ objective, lora }) =>
      lora === null ? objective.method : `${objective.method} with LoRA`,
    );
  assert.deepEqual(Object.fromEntries(readdirSync(folder).map((name) => [name, methodsOf(name)])), {
    'dpo.yaml': ['dpo'],
    'kto-lora.yaml': ['kto with LoRA'],
    'kto.yaml': ['kto'],
    'sft-then-kto.yaml': ['sft', 'kto'],
  });
});
