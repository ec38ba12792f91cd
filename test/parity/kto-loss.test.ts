import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ktoReferencePoint, ktoTerm } from '../../worker/losses/kto.js';
import { objectiveOf } from '../../worker/losses/objective.js';
import { readFixture } from './fixtures.js';

interface LossCase {
  readonly name: string;
  readonly params: {
    readonly beta: number;
    readonly desirable_weight: number;
    readonly undesirable_weight: number;
  };
  readonly inputs: {
    readonly policy_logps: number[];
    readonly ref_logps: number[];
    readonly policy_KL_logps: number[];
    readonly ref_KL_logps: number[];
    readonly label: boolean[];
  };
  readonly outputs: {
    readonly loss: number;
    readonly per_example: number[];
    readonly rewards?: number[];
    readonly kl: number;
  };
  readonly grads: { readonly policy_logps: number[] };
}

interface SftCase {
  readonly inputs: { readonly policy_token_logps: number[][]; readonly mask: number[][] };
  readonly outputs: { readonly loss: number; readonly tokens: number };
  readonly grads: { readonly policy_token_logps: number[][] };
}

const { cases } = readFixture('golden/losses.json') as { cases: { name: string }[] };

function close(actual: number, expected: number, what: string): void {
  assert.ok(
    Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, golden ${expected}`,
  );
}

const ktoCases = cases.filter(({ name }) => name.startsWith('kto/') || name.startsWith('sharded/global/'));

describe('KTO against TRL, in float64', () => {
  for (const { name, params, inputs, outputs, grads } of ktoCases as LossCase[]) {
    test(name, () => {
      const settings = {
        beta: params.beta,
        desirableWeight: params.desirable_weight,
        undesirableWeight: params.undesirable_weight,
      };
      const z0 = ktoReferencePoint(inputs.policy_KL_logps.map((logp, i) => logp - inputs.ref_KL_logps[i]!));
      close(z0, outputs.kl, 'z0');
      const terms = inputs.policy_logps.map((logp, i) =>
        ktoTerm(logp - inputs.ref_logps[i]!, inputs.label[i]!, z0, settings),
      );
      const count = terms.length;
      close(terms.reduce((sum, { loss }) => sum + loss, 0) / count, outputs.loss, 'loss');
      terms.forEach((term, i) => {
        close(term.loss, outputs.per_example[i]!, `loss of example ${i}`);
        close(term.dLogp / count, grads.policy_logps[i]!, `gradient of example ${i}`);
        if (outputs.rewards !== undefined) close(term.reward!, outputs.rewards[i]!, `reward of example ${i}`);
      });
    });
  }

  test('there are goldens to compare with', () => assert.equal(ktoCases.length, 14));
});

test('SFT against HALOs, in float64', () => {
  const { inputs, outputs, grads } = cases.find(
    ({ name }) => name === 'sft/token_mean',
  ) as unknown as SftCase;
  const objective = objectiveOf({ method: 'sft' });
  const divisor = objective.averagedOver({ examples: inputs.mask.length, completionTokens: outputs.tokens });
  let loss = 0;
  inputs.policy_token_logps.forEach((logps, row) => {
    const logp = logps.reduce((sum, value, t) => sum + value * inputs.mask[row]![t]!, 0);
    const term = objective.term({ logp, referenceLogp: null, desirable: null }, null);
    loss += term.loss / divisor;
    const scored = inputs.mask[row]!.findIndex((value) => value === 1);
    close(term.dLogp / divisor, grads.policy_token_logps[row]![scored]!, `gradient of row ${row}`);
  });
  close(loss, outputs.loss, 'loss');
});

test('the gradient is the slope of the loss', () => {
  const settings = { beta: 0.3, desirableWeight: 1.2, undesirableWeight: 2.5 };
  const h = 1e-5;
  for (const desirable of [true, false]) {
    for (const ratio of [-40, -3, 0, 0.7, 12]) {
      const loss = (r: number) => ktoTerm(r, desirable, 1.1, settings).loss;
      const slope = (loss(ratio + h) - loss(ratio - h)) / (2 * h);
      const { dLogp } = ktoTerm(ratio, desirable, 1.1, settings);
      assert.ok(Math.abs(slope - dLogp) < 1e-8, `r = ${ratio}: slope ${slope}, gradient ${dLogp}`);
    }
  }
});
