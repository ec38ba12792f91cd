import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

import { packagePath } from '../../../lib/package.js';
import { renderJsonSchema } from '../../../lib/config/json-schema.js';
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

test('every run file names the schema that editors read, which is that of the code', () => {
  const files = readdirSync(folder).map((name) => join(folder, name));
  for (const file of [...files, packagePath('deploy/demo/demo.yaml')]) {
    const [, schema] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(readFileSync(file, 'utf8')) ?? [];
    assert.ok(schema !== undefined && existsSync(join(dirname(file), schema)), file);
  }
  const kept = readFileSync(packagePath('deploy/run-file.schema.json'), 'utf8');
  assert.equal(kept, renderJsonSchema(), 'it is out of date: npm run schema');
});

test("the demo's run file is sound, and only lacks the model that the demo makes", () => {
  const load = (set: readonly string[]) => loadRunFile(packagePath('deploy/demo/demo.yaml'), { set });
  assert.deepEqual(
    load(['model=start-model']).stages.map(({ objective }) => objective.method),
    ['sft', 'kto'],
  );
  assert.throws(() => load([]), /model is missing/);
});
