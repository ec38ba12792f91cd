import fc from 'fast-check';

import type { LeafRequest } from '../../../../../worker/reference/cache/entry.js';
import type { CompletionLogps } from '../../../../../worker/model/completion-logps.js';

export interface AnsweredLeaf {
  readonly request: LeafRequest;
  readonly completions: readonly CompletionLogps[];
}

/** Compared with objects that the code makes. */
const plain = { noNullPrototype: true } as const;

const sequence = fc
  .record(
    { ids: fc.array(fc.integer({ min: 0, max: 2 ** 31 - 1 }), { minLength: 2, maxLength: 9 }), at: fc.nat() },
    plain,
  )
  .map(({ ids, at }) => ({ ids: Int32Array.from(ids), completionStart: 1 + (at % (ids.length - 1)) }));

const finite64 = fc.double({ noNaN: true, noDefaultInfinity: true });
const finite32 = fc.float({ noNaN: true, noDefaultInfinity: true });

/** Any leaf, with any finite answers: minus zero and denormals too. */
export const answeredLeaf: fc.Arbitrary<AnsweredLeaf> = fc
  .record(
    {
      sequences: fc.array(sequence, { minLength: 1, maxLength: 5 }),
      branches: fc.nat({ max: 4 }),
      byToken: fc.boolean(),
    },
    plain,
  )
  .chain((request) =>
    fc
      .tuple(
        ...request.sequences.map(({ ids, completionStart }) => {
          const length = ids.length - completionStart;
          const terms = fc.array(finite32, { minLength: length, maxLength: length });
          const tokenLogps = request.byToken
            ? terms.map((values) => Float32Array.from(values))
            : fc.constant(null);
          return fc.record({ logp: finite64, tokenLogps }, plain);
        }),
      )
      .map((completions) => ({ request, completions })),
  );

/** The answers of leaf `number`, which is like no other. */
export function leafOf(number: number): AnsweredLeaf {
  const ids = Int32Array.from([number, 7, 9]);
  const tokenLogps = Float32Array.from([-number / 3, -1 / 7]);
  return {
    request: { sequences: [{ ids, completionStart: 1 }], branches: 0, byToken: true },
    completions: [{ logp: -number - 1 / 3, tokenLogps }],
  };
}
