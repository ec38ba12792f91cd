import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';

import { RunError } from '../../lib/errors.js';
import { digestOf } from '../../worker/collective/agreement.js';
import type { Collective } from '../../worker/collective/collective.js';
import { MAX_PAYLOAD_BYTES, type FrameContent } from '../../worker/collective/frame.js';
import { FlatBuffer } from '../../worker/parameters/flat-buffer.js';
import { ownedRange } from '../../worker/parameters/layout.js';
import { runsOf } from '../../worker/reduction/tree.js';
import { bindOne, layoutOf } from './collectives.js';
import { FakePeer, type Content } from './fake-peer.js';

// Rank 0 is ours and holds leaf 0; rank 1 is the test's and holds leaf 1. Each owns 40 blocks: two chunks of the other's.
const layout = layoutOf(80);
const runs = runsOf([0, 1, 2]);
const owned = ownedRange(layout, 0, 2);
export const CHUNK = MAX_PAYLOAD_BYTES / 4;
export const tag = { stage: 0, step: 3, phase: 1 };
const plan = digestOf([layout.segments, runs, 2]);
export const values = Float32Array.from({ length: owned.end }, (_, index) => index + 1);

export const announce = { kind: 'announce', tag, payload: plan } as const;
export const chunk = (index: number): FrameContent => ({
  kind: 'data',
  tag,
  node: { firstLeaf: 1, span: 1 },
  offset: index * CHUNK,
  payload: new Uint8Array(values.slice(index * CHUNK, Math.min((index + 1) * CHUNK, owned.end)).buffer),
});

export interface Stage {
  readonly ours: Collective;
  readonly peer: FakePeer;
  /** Joins the next generation. */
  join(): Promise<void>;
  /** Begins the reduceScatter of ours and resolves when its announcement has reached the peer. */
  begin(): Promise<Operation>;
}
export interface Operation {
  /** Ours; resolves to what it received of leaf 1. */
  readonly result: Promise<Float32Array>;
}

export async function stage(t: TestContext): Promise<Stage> {
  // Closed in this order: ours need not wait for an answer to its goodbye.
  const peer = await FakePeer.bind(t);
  const ours = await bindOne(t);
  const endpoints = [ours.endpoint, peer.endpoint];
  let generation = 0;
  const local = [{ node: { firstLeaf: 0, span: 1 }, values: FlatBuffer.allocate(layout) }];
  return {
    ours,
    peer,
    async join() {
      generation++;
      await Promise.all([
        ours.connect({ generation, rank: 0, endpoints }),
        peer.join(ours.endpoint, generation),
      ]);
    },
    async begin() {
      const result = ours
        .reduceScatter(tag, layout, local, runs, 2)
        .then((parts) => Float32Array.from(new Float32Array(parts[1]!.memory!)));
      result.catch(() => undefined);
      await peer.next('announce');
      return { result };
    },
  };
}

/** Plays the peer's part of the reduceScatter to its end. */
export async function behave({ peer }: Stage): Promise<void> {
  for (const content of [announce, chunk(0), chunk(1)]) await peer.send(content);
  for (let received = 0; received < 2; received++) await peer.next('data');
  await peer.send({ kind: 'acknowledge', tag });
}

export const blamesThePeer = (peer: FakePeer, what: RegExp) => (error: unknown) => {
  assert.ok(error instanceof RunError, String(error));
  assert.match(error.message, /^rank 1 \(/);
  assert.ok(error.message.includes(peer.endpoint));
  assert.match(error.message, what);
  return true;
};

export async function sendAll(peer: FakePeer, contents: readonly Content[]) {
  for (const content of contents) await peer.send(content);
}
