import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { packagePath } from '../../../deploy/cli/package.js';
import { loadRunFile } from '../../../lib/config/load.js';

const folder = packagePath('deploy/examples');

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

test("the demo's run file is sound, and only lacks the model that the demo makes", () => {
  const load = (set: readonly string[]) => loadRunFile(packagePath('deploy/demo/demo.yaml'), { set });
  assert.deepEqual(
    load(['model=start-model']).stages.map(({ objective }) => objective.method),
    ['sft', 'kto'],
  );
  assert.throws(() => load([]), /model is missing/);
});
