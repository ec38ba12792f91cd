import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { packagePath } from '../../../deploy/cli/package.js';
import { loadRunFile } from '../../../lib/config/load.js';

const methodsOf = (file: string, set: readonly string[] = []) =>
  loadRunFile(packagePath(file), { set, cores: 2 }).stages.map(({ method }) => method);

test('the example run files are sound', () => {
  const names = readdirSync(packagePath('deploy/examples')).sort();
  assert.deepEqual(names, ['kto.yaml', 'sft-then-kto.yaml']);
  assert.deepEqual(methodsOf('deploy/examples/kto.yaml'), ['kto']);
  assert.deepEqual(methodsOf('deploy/examples/sft-then-kto.yaml'), ['sft', 'kto']);
});

test("so is the demo's, which only lacks the model that the demo makes", () => {
  assert.deepEqual(methodsOf('deploy/demo/demo.yaml', ['model=start-model']), ['sft', 'kto']);
  assert.throws(() => methodsOf('deploy/demo/demo.yaml'), /model is missing/);
});
