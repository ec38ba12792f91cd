import assert from 'node:assert/strict';
import fs, { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';

import fc from 'fast-check';

import { FrameError, MAX_PAYLOAD_BYTES } from '../../../../worker/collective/frame.js';
import { Inbox } from '../../../../worker/collective/inbox.js';
import { Outbox } from '../../../../worker/collective/outbox.js';
import {
  decodeOffer,
  decodePlacement,
  encodeOffer,
  encodePlacement,
  OUTBOX_BYTES,
  SLOT_COUNT,
} from '../../../../worker/collective/slots.js';
import type { Content, FakePeer } from '../../../support/fake-peer.js';
import {
  announce,
  behave,
  blamesThePeer,
  chunk,
  stage,
  tag,
  values,
  type Stage,
} from '../../../support/peer-scene.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const values8 = new Uint8Array(8);
const allSlots = Uint8Array.from({ length: SLOT_COUNT }, (_, slot) => slot);

function openOutbox(t: TestContext): Outbox {
  const outbox = Outbox.open();
  assert.ok(outbox, 'this system has memory for outboxes');
  t.after(() => outbox.close());
  return outbox;
}

/** Ours has found the peer's outbox, and waits for what is placed there. */
async function offered(t: TestContext) {
  const scene = await stage(t);
  await scene.join();
  const outbox = openOutbox(t);
  await scene.peer.send({ kind: 'offer', payload: outbox.offer });
  const { payload } = await scene.peer.next('free');
  assert.deepEqual(new Uint8Array(payload), allSlots);
  outbox.release(payload);
  const { result } = await scene.begin();
  await scene.peer.send(announce);
  return { ...scene, outbox, result };
}

/** A chunk that lies in a slot. */
function placed(index: number, slot: number): Content {
  const { payload, ...rest } = chunk(index);
  return { ...rest, kind: 'placed', payload: encodePlacement({ slot, byteLength: payload.byteLength }) };
}

describe('between workers of one host', () => {
  it('an outbox that the system has no memory for is given up: nothing waits for its slots', (t) => {
    const outbox = openOutbox(t);
    outbox.release(allSlots);
    assert.notEqual(outbox.place(values8), null);
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' });
    const write = t.mock.method(fs, 'writeSync', () => {
      throw full;
    });
    syncBuiltinESMExports();
    assert.equal(outbox.place(values8), null);
    write.mock.restore();
    syncBuiltinESMExports();
    for (let more = 0; more < SLOT_COUNT; more++) assert.equal(outbox.place(values8), null);
    assert.equal(outbox.isFull, false, 'what comes next goes another way');
  });

  it('what a peer has placed in its outbox is taken from there, and the slots are free again', async (t) => {
    const { peer, outbox, result } = await offered(t);
    for (const index of [1, 0]) await peer.send(placed(index, outbox.place(chunk(index).payload)!));
    const { payload } = await peer.next('free');
    outbox.release(payload);
    for (let received = 0; received < 2; received++) await peer.next('data');
    await peer.send({ kind: 'acknowledge', tag });
    assert.deepEqual(await result, values);
  });

  it('values lie in the outbox once the peer has freed slots, as many as it frees', async (t) => {
    const scene = await stage(t);
    const { ours, peer } = scene;
    await scene.join();
    const { processId, file, secret } = decodeOffer((await peer.next('offer')).payload);
    assert.equal(processId, process.pid);
    const opened = openSync(`/proc/${processId}/fd/${file}`, 'r');
    t.after(() => closeSync(opened));
    const start = Buffer.alloc(secret.length);
    readSync(opened, start, 0, start.length, 0);
    assert.deepEqual(start, secret);
    // Nothing of it can be left behind.
    assert.equal(fstatSync(opened).nlink, 0);

    await peer.send({ kind: 'free', payload: Uint8Array.of(2) });
    const { result } = await scene.begin();
    await peer.send(announce);
    const first = decodePlacement((await peer.next('placed')).payload);
    assert.deepEqual(first, { slot: 2, byteLength: MAX_PAYLOAD_BYTES });
    await peer.send({ kind: 'free', payload: Uint8Array.of(2) });
    const second = decodePlacement((await peer.next('placed')).payload);
    assert.deepEqual(second, { slot: 2, byteLength: chunk(1).payload.byteLength });
    for (const index of [0, 1]) await peer.send(chunk(index));
    await peer.send({ kind: 'acknowledge', tag });
    assert.deepEqual(await result, values);
    // The values, and the frames around them.
    assert.ok(ours.traffic.sentBytes > values.byteLength);
  });

  const unfit: Record<string, (t: TestContext) => Promise<Buffer>> = {
    'that is not there': () =>
      Promise.resolve(encodeOffer({ processId: 0x7fffffff, file: 3, secret: Buffer.alloc(16) })),
    'that is another one': (t) => {
      const offer = Buffer.from(openOutbox(t).offer);
      offer[offer.length - 1]! ^= 1;
      return Promise.resolve(offer);
    },
    'that is too short': async (t) => {
      const file = openSync(join(await temporaryDirectory(t), 'file'), 'wx+');
      t.after(() => closeSync(file));
      ftruncateSync(file, OUTBOX_BYTES - 1);
      return encodeOffer({ processId: process.pid, file, secret: Buffer.alloc(16) });
    },
    'that is no file': (t) => {
      const file = openSync('/dev/zero', 'r');
      t.after(() => closeSync(file));
      return Promise.resolve(encodeOffer({ processId: process.pid, file, secret: Buffer.alloc(16) }));
    },
  };
  for (const [name, makeOffer] of Object.entries(unfit)) {
    it(`an outbox ${name} is left alone, and values travel in frames`, async (t) => {
      const scene = await stage(t);
      await scene.join();
      await scene.peer.send({ kind: 'offer', payload: await makeOffer(t) });
      const { result } = await scene.begin();
      await behave(scene);
      assert.deepEqual(await result, values);
      assert.equal(scene.peer.has('free'), false);
    });
  }
});

describe('a peer of the same host', () => {
  const wrong: Record<string, [RegExp, (peer: FakePeer, outbox: Outbox, scene: Stage) => Promise<void>]> = {
    'offers twice': [/second offer/, (peer, outbox) => peer.send({ kind: 'offer', payload: outbox.offer })],
    'names a slot that it was not given': [/slot 9, which was not free/, (peer) => peer.send(placed(0, 9))],
    'names a slot again that was not freed': [
      /slot 3, which was not free/,
      async (peer, outbox) => {
        await peer.send(placed(0, outbox.place(chunk(0).payload)!));
        await peer.send(placed(1, 3));
      },
    ],
    'places a short chunk': [
      / 4 bytes at 0 .* instead of 1048576/,
      (peer) => peer.send({ ...placed(0, 0), payload: encodePlacement({ slot: 0, byteLength: 4 }) }),
    ],
    'cuts its file': [
      /file that ends at 0 bytes/,
      async (peer, outbox) => {
        ftruncateSync(decodeOffer(outbox.offer).file, 4096);
        await peer.send(placed(0, 0));
      },
    ],
    'says in no place where values are': [
      /place of values in 3 bytes/,
      (peer) => peer.send({ ...placed(0, 0), payload: new Uint8Array(3) }),
    ],
    'frees a slot that it does not have': [
      /slot 4 is free/,
      (peer) => peer.send({ kind: 'free', payload: Uint8Array.of(4) }),
    ],
    'frees a slot twice': [
      /slot 1 is free/,
      (peer) => peer.send({ kind: 'free', payload: Uint8Array.of(1, 1) }),
    ],
  };
  for (const [name, [message, misbehave]] of Object.entries(wrong)) {
    it(`ends the operation in its name where it ${name}`, async (t) => {
      const scene = await offered(t);
      await misbehave(scene.peer, scene.outbox, scene);
      await assert.rejects(scene.result, blamesThePeer(scene.peer, message));
    });
  }

  for (const [name, content, message] of [
    ['places values without an outbox', placed(0, 0), /was not offered/],
    ['makes an offer that is none', { kind: 'offer', payload: new Uint8Array(5) }, /offer of 5 bytes/],
  ] as const) {
    it(`ends the operation in its name where it ${name}`, async (t) => {
      const scene = await stage(t);
      await scene.join();
      const { result } = await scene.begin();
      await scene.peer.send(announce);
      await scene.peer.send(content);
      await assert.rejects(result, blamesThePeer(scene.peer, message));
    });
  }
});

describe('an outbox and its inbox', () => {
  it('hand over what was placed, whatever is placed and freed in whatever order', (t) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.uint8Array({ minLength: 1, maxLength: 300 }))), (moves) => {
        const outbox = Outbox.open()!;
        const inbox = Inbox.find(outbox.offer)!;
        const waiting: { slot: number; payload: Uint8Array }[] = [];
        const free = () => {
          const slots = inbox.slotsToFree();
          if (slots) outbox.release(slots);
        };
        free();
        for (const [which, payload] of moves) {
          const slot = outbox.place(payload);
          if (slot !== null) waiting.push({ slot, payload });
          else assert.ok(waiting.length > SLOT_COUNT / 2);
          if (slot !== null && which < 2) continue;
          const [taken] = waiting.splice(which % waiting.length, 1);
          const into = new Uint8Array(taken!.payload.length);
          inbox.read({ slot: taken!.slot, byteLength: into.length }, into);
          assert.deepEqual(into, taken!.payload);
          free();
        }
        inbox.close();
        outbox.close();
      }),
    );
    t.diagnostic('all came as they were placed');
  });

  it('read offers and places as they were written, and nothing else', () => {
    const uint32 = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(uint32, uint32, fc.uint8Array({ minLength: 16, maxLength: 16 }), (one, other, bytes) => {
        const offer = { processId: one, file: other, secret: Buffer.from(bytes) };
        assert.deepEqual(decodeOffer(encodeOffer(offer)), offer);
        const placement = { slot: one, byteLength: other };
        assert.deepEqual(decodePlacement(encodePlacement(placement)), placement);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        if (bytes.length !== 24) assert.throws(() => decodeOffer(bytes), FrameError);
        if (bytes.length !== 8) assert.throws(() => decodePlacement(bytes), FrameError);
      }),
    );
  });
});
