import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import {
  decodeFrame,
  encodeFrame,
  FrameError,
  hashRun,
  HEADER_BYTES,
  KINDS,
  MAX_PAYLOAD_BYTES,
  type FrameContent,
  type Message,
  type Sender,
} from '../../../../worker/collective/frame.js';

/** fast-check makes records without a prototype too, which are never deeply equal to others. */
const plain = { noNullPrototype: true } as const;
const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const anySender: fc.Arbitrary<Sender> = fc.record({
  run: fc.string().map(hashRun),
  generation: uint32,
  rank: fc.integer({ min: 0, max: 0xffff }),
});
const anyContent: fc.Arbitrary<FrameContent> = fc.record({
  kind: fc.constantFrom(...KINDS),
  tag: fc.record({ stage: uint32, step: uint32, phase: uint32 }, plain),
  node: fc.record({ firstLeaf: uint32, span: uint32 }, plain),
  offset: fc.maxSafeNat(),
  payload: fc.uint8Array({ maxLength: 300 }),
});

/** As ZeroMQ hands it over. */
const received = (message: Message) => message.map((part) => Buffer.from(part));

describe('a frame', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(anySender, anyContent, (sender, content) => {
        const { payload, run, ...rest } = decodeFrame(received(encodeFrame(sender, content)));
        const { payload: sentPayload, ...sentRest } = content;
        assert.deepEqual(rest, { ...sentRest, generation: sender.generation, rank: sender.rank });
        assert.ok(run.equals(sender.run));
        assert.deepEqual(new Uint8Array(payload), sentPayload);
      }),
    );
  });

  it('is refused with any of its bits flipped', () => {
    fc.assert(
      fc.property(anySender, anyContent, fc.nat(), (sender, content, at) => {
        const [header, payload] = received(encodeFrame(sender, content));
        const whole = Buffer.concat([header!, payload!]);
        const bit = at % (8 * whole.length);
        whole[bit >> 3]! ^= 1 << (bit & 7);
        const parts = [whole.subarray(0, HEADER_BYTES), whole.subarray(HEADER_BYTES)];
        assert.throws(() => decodeFrame(parts), FrameError);
      }),
      { numRuns: 2000 },
    );
  });

  it('is refused when it is cut, lengthened or not a frame at all', () => {
    fc.assert(
      fc.property(anySender, anyContent, fc.nat(), fc.uint8Array(), (sender, content, at, garbage) => {
        const [header, payload] = received(encodeFrame(sender, content)) as [Buffer, Buffer];
        const broken: Buffer[][] = [
          [],
          [header],
          [payload, header],
          [header, payload, payload],
          [header.subarray(0, at % HEADER_BYTES), payload],
          [header, Buffer.concat([payload, Buffer.of(0)])],
          [Buffer.from(garbage), payload],
        ];
        if (payload.length > 0) broken.push([header, payload.subarray(0, at % payload.length)]);
        for (const parts of broken) assert.throws(() => decodeFrame(parts), FrameError);
      }),
    );
  });

  it('carries a payload of a megabyte at most', () => {
    const sender = { run: hashRun('run'), generation: 1, rank: 0 };
    const most = new Uint8Array(MAX_PAYLOAD_BYTES);
    assert.equal(
      decodeFrame(received(encodeFrame(sender, { kind: 'data', payload: most }))).payload.length,
      most.length,
    );
    const tooLong = new Uint8Array(MAX_PAYLOAD_BYTES + 1);
    assert.throws(() => encodeFrame(sender, { kind: 'data', payload: tooLong }), RangeError);
  });
});
