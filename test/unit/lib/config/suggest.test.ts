import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { nearestKey } from '../../../../lib/config/suggest.js';

const known = ['model', 'method', 'beta', 'epochs', 'learning_rate', 'adam_beta1', 'max_length'];

describe('nearestKey', () => {
  it('finds what was meant', () => {
    const meant = {
      modle: 'model',
      Beta: 'beta',
      bata: 'beta',
      learningRate: 'learning_rate',
      'max-length': 'max_length',
      maxlength: 'max_length',
      adam_beta_1: 'adam_beta1',
      num_train_epochs: 'epochs',
      model_name_or_path: 'model',
    };
    for (const [key, expected] of Object.entries(meant)) assert.equal(nearestKey(key, known), expected, key);
    for (const key of ['rank', 'lora_r']) assert.equal(nearestKey(key, ['r', 'alpha']), 'r', key);
  });

  it('does not guess wildly', () => {
    for (const key of ['x', 'optimizer', 'toString', '__proto__', 'ref_model', 'm'.repeat(100_000)]) {
      assert.equal(nearestKey(key, known), undefined, key.slice(0, 20));
    }
  });
});
