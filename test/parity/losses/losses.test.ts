import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertReproduced, cases, type Reproduce } from './golden.js';
import { ktoBatchKl, ktoLogSigmoid, ktoZero, shardedHalos, shardedTrl } from './otherwise.js';
import { cpo, dpoCases, orpo, simpoHalos, simpoTrl, slic } from './paired.js';
import { humanline, ppo, sft } from './tokens.js';
import { apoZeroUnpaired, halosKto, shardedGlobal, trlKto } from './unpaired.js';

/** What reproduces a case, by its whole name or by a folder of names. */
const reproductions: Readonly<Record<string, Reproduce>> = {
  'kto/': trlKto,
  'apo_zero_unpaired/': apoZeroUnpaired,
  'halos_kto/mixed_kl_positive': halosKto,
  'halos_kto/mixed_kl_negative_clamped': halosKto,
  'halos_kto/weighted_3to1': halosKto,
  'halos_kto/weighted_desirable': halosKto,
  'halos_kto/all_chosen': halosKto,
  'halos_kto/all_rejected': halosKto,
  'halos_kto/saturated': halosKto,
  'halos_kto/policy_equals_reference': halosKto,
  'halos_kto/humanline': humanline,
  'sharded/global/': shardedGlobal,
  'sharded/trl/': shardedTrl,
  'sharded/halos/': shardedHalos,
  'legacy/kto_zero': ktoZero,
  'legacy/kto_logsigmoid': ktoLogSigmoid,
  'legacy/kto_v1_batch_kl': ktoBatchKl,
  ...dpoCases,
  'cpo/sigmoid': cpo,
  'simpo/trl': simpoTrl,
  'simpo/halos': simpoHalos,
  'orpo/trl': orpo,
  'slic/default': slic,
  'slic/near_margin': slic,
  'sft/token_mean': sft,
  'ppo_offline/': ppo,
};

const covers = (key: string, name: string) => (key.endsWith('/') ? name.startsWith(key) : name === key);

describe('every loss against TRL and HALOs, in float64', () => {
  for (const golden of cases) {
    test(golden.name, () => {
      const [reproduce, ...more] = Object.entries(reproductions).filter(([key]) => covers(key, golden.name));
      assert.ok(reproduce !== undefined, 'no test reproduces this case');
      assert.equal(more.length, 0, 'more than one test reproduces this case');
      const { outputs, grads } = reproduce[1](golden as never);
      assertReproduced(outputs, golden.outputs, 'outputs');
      assertReproduced(grads, golden.grads, 'grads');
    });
  }

  test('the file has the 72 cases, under different names, and no test is left without one', () => {
    const names = cases.map(({ name }) => name);
    assert.equal(new Set(names).size, 72);
    assert.equal(names.length, 72);
    const idle = Object.keys(reproductions).filter((key) => !names.some((name) => covers(key, name)));
    assert.deepEqual(idle, []);
  });
});
