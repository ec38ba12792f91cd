import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withInference } from '../../../../../deploy/cli/inference/session.js';
import { ConfigError } from '../../../../../lib/errors.js';

test('what is wrong with a model is an error of the caller, and the process answers again', async () => {
  await withInference(async (inference) => {
    for (const modelDir of ['/nowhere/a', '/nowhere/b']) {
      await assert.rejects(
        inference('score', { modelDir, sequences: [] }),
        (error) => error instanceof ConfigError && error.message.includes(modelDir),
      );
    }
  });
});

test('the process has ended when the session has', async () => {
  const late = await withInference((inference) => Promise.resolve(inference));
  await assert.rejects(late('score', { modelDir: '/nowhere', sequences: [] }), /killed by SIGKILL/);
});
