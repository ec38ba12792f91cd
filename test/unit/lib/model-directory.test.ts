import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { explainNoModel } from '../../../lib/model-directory.js';
import { temporaryDirectory } from '../../support/temporary-directory.js';

test('a directory that may hold a model needs no explanation', async (t) => {
  assert.equal(explainNoModel(await temporaryDirectory(t)), null);
});

test('one that is not there, as a name of a hub is not, is told how to get', async (t) => {
  const hub = join(await temporaryDirectory(t), 'HuggingFaceTB/SmolLM2-135M');
  assert.match(explainNoModel(hub)!, new RegExp(`^there is no directory ${hub}: .*hf download OWNER/NAME`));
});

test('the directory of a run is told where its model is, or will be', async (t) => {
  const run = await temporaryDirectory(t);
  const model = join(run, 'model');
  writeFileSync(join(run, 'run.yaml'), '');
  assert.match(explainNoModel(model)!, /^there is no directory /, 'a run file alone is no run');
  writeFileSync(join(run, 'metrics.jsonl'), '');
  for (const directory of [run, model]) {
    assert.match(explainNoModel(directory)!, new RegExp(`^the run in ${run} has not come to its end`));
  }
  mkdirSync(model);
  assert.equal(explainNoModel(run), `${run} is the directory of a run: its model is ${model}`);
  assert.equal(explainNoModel(model), null);
});
