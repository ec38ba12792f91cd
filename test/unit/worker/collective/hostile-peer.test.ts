import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';

import type { Dealer } from 'zeromq';

import { MAX_PAYLOAD_BYTES, type Message } from '../../../../worker/collective/frame.js';
import { sendingSocket } from '../../../../worker/collective/sockets.js';
import { FakePeer } from '../../../support/fake-peer.js';
import { randomFrom, shuffled } from '../../../support/leaves.js';
import {
  announce,
  behave,
  blamesThePeer,
  CHUNK,
  chunk,
  sendAll,
  stage,
  tag,
  values,
} from '../../../support/peer-scene.js';
import { waitUntil } from '../../../support/wait-until.js';

const copyOf = ([header, payload]: Message) => [Buffer.from(header), Buffer.from(payload)] as const;

describe('what a peer sends', () => {
  it('is taken where it is right', async (t) => {
    const scene = await stage(t);
    await scene.join();
    const { result } = await scene.begin();
    await behave(scene);
    assert.deepEqual(await result, values);
  });

  it('ends the operation in its name where any bit was flipped on the way', async (t) => {
    const scene = await stage(t);
    const { peer } = scene;
    const seed = Date.now();
    t.diagnostic(`seed ${seed}`);
    const random = randomFrom(seed);
    const headerBits = Array.from({ length: 56 }, (_, byte) => 8 * byte + Math.floor(random() * 8));
    const anyBits = Array.from({ length: 40 }, () => Math.floor(random() * 8 * (56 + MAX_PAYLOAD_BYTES)));
    for (const bit of [...headerBits, ...anyBits]) {
      await scene.join();
      const { result } = await scene.begin();
      await peer.send(announce);
      const [header, payload] = copyOf(peer.frame(chunk(0)));
      const byte = bit >> 3;
      if (byte < 56) header[byte]! ^= 1 << (bit & 7);
      else payload[byte - 56]! ^= 1 << (bit & 7);
      await peer.sendRaw([header, payload]);
      await assert.rejects(result, blamesThePeer(peer, /step 3/), `bit ${bit}`);
    }
  });

  const wrong: Record<string, [RegExp, (peer: FakePeer) => Promise<void>]> = {
    'a payload that is cut': [
      /payload of 100 bytes/,
      async (peer) => {
        const [header, payload] = copyOf(peer.frame(chunk(0)));
        await peer.sendRaw([header, payload.subarray(0, 100)]);
      },
    ],
    'a payload that is too long': [
      /payload of 1048577 bytes/,
      async (peer) => {
        const [header, payload] = copyOf(peer.frame(chunk(0)));
        await peer.sendRaw([header, Buffer.concat([payload, Buffer.of(0)])]);
      },
    ],
    'a header that is cut': [
      /header of 20 bytes/,
      (peer) => peer.sendRaw([Buffer.alloc(20), Buffer.alloc(0)]),
    ],
    'no payload part': [/1 parts/, (peer) => peer.sendRaw([peer.frame(chunk(0))[0]])],
    'the first chunk twice': [/values at 0 .* twice/, (peer) => sendAll(peer, [chunk(0), chunk(0)])],
    'the second chunk twice': [
      /values at 262144 .* twice/,
      (peer) => sendAll(peer, [chunk(1), chunk(1), chunk(0)]),
    ],
    'a chunk again after the last': [
      /values at 262144 .* twice/,
      (peer) => sendAll(peer, [chunk(0), chunk(1), chunk(1)]),
    ],
    "another rank's node": [
      /at 0 of node 0\+1, where this operation has none/,
      (peer) => peer.send({ ...chunk(0), node: { firstLeaf: 0, span: 1 } }),
    ],
    'a node of another span': [
      /node 1\+2/,
      (peer) => peer.send({ ...chunk(0), node: { firstLeaf: 1, span: 2 } }),
    ],
    'a short chunk': [
      / 4 bytes at 0 .* instead of 1048576/,
      (peer) => peer.send({ ...chunk(0), payload: new Uint8Array(4) }),
    ],
    'an offset beyond the end': [/at 9000000/, (peer) => peer.send({ ...chunk(0), offset: 9_000_000 })],
    'the announcement twice': [/announcement twice/, (peer) => peer.send(announce)],
    'an acknowledgement twice': [
      /acknowledgement/,
      async (peer) => {
        for (let received = 0; received < 2; received++) await peer.next('data');
        await sendAll(peer, [
          { kind: 'acknowledge', tag },
          { kind: 'acknowledge', tag },
        ]);
      },
    ],
    'values of an operation to come': [
      /has not begun/,
      (peer) => peer.send({ ...chunk(0), tag: { ...tag, step: 4 } }),
    ],
    'an answer to no goodbye': [/goodbye/, (peer) => peer.send({ kind: 'farewell' })],
    'too many announcements ahead': [
      /too many/,
      async (peer) => {
        for (let ahead = 1; ahead < 10; ahead++)
          await peer.send({ ...announce, tag: { ...tag, step: tag.step + ahead } });
      },
    ],
  };
  for (const [name, [message, misbehave]] of Object.entries(wrong)) {
    it(`ends the operation in its name where it is ${name}`, async (t) => {
      const scene = await stage(t);
      await scene.join();
      const { result } = await scene.begin();
      await scene.peer.send(announce);
      await misbehave(scene.peer);
      await assert.rejects(result, blamesThePeer(scene.peer, message));
    });
  }

  it('never makes a wrong sum: a fuzzed stream of frames gives the right values or an error in its name', async (t) => {
    const scene = await stage(t);
    const { peer } = scene;
    const seed = Date.now();
    t.diagnostic(`seed ${seed}`);
    const random = randomFrom(seed);
    const below = (count: number) => Math.floor(random() * count);
    const oneOf = <T>(items: readonly T[]) => items[below(items.length)]!;
    const outcomes = { right: 0, refused: 0 };
    let oldFrames: Sent[] = [];
    for (let round = 0; round < 60; round++) {
      const previous = peer.connection;
      await scene.join();
      const { result } = await scene.begin();
      const good: Sent[] = [chunk(0), chunk(1)].map((content) => ({ message: peer.frame(content) }));
      const frames = shuffled(good, random);
      const mutate: Record<string, () => Sent[]> = {
        nothing: () => [],
        'a duplicate': () => [oneOf(good)],
        'other values': () => [
          { message: peer.frame({ ...chunk(below(2)), payload: new Uint8Array(4 * below(CHUNK)) }) },
        ],
        'another place': () => [{ message: peer.frame({ ...chunk(0), offset: below(3 * CHUNK) + 1 }) }],
        'another node': () => [
          { message: peer.frame({ ...chunk(0), node: { firstLeaf: below(3), span: 2 + below(3) } }) },
        ],
        'an operation that is over': () => [
          { message: peer.frame({ ...chunk(0), tag: { ...tag, phase: 0 }, payload: noise(random) }) },
        ],
        'an operation to come': () => [{ message: peer.frame({ ...chunk(0), tag: { ...tag, phase: 9 } }) }],
        'a cut frame': () => {
          const [header, payload] = peer.frame(chunk(0));
          return [{ message: [header.subarray(0, below(56)), payload] }];
        },
        'a flipped bit': () => {
          const [header, payload] = copyOf(peer.frame(chunk(below(2))));
          const part = oneOf([header, payload]);
          part[below(part.length)]! ^= 1 << below(8);
          return [{ message: [header, payload] }];
        },
        'frames of the generation before, over their connection': () =>
          oldFrames.map(({ message }) => ({ message, over: previous })),
        'frames of the generation before, over this one': () => oldFrames.slice(0, 1),
      };
      const [name, extra] = oneOf(Object.entries(mutate));
      for (const sent of extra()) frames.splice(below(frames.length + 1), 0, sent);
      const what = `round ${round}, ${name}`;
      await peer.send(announce);
      for (const { message, over } of frames) {
        if (over) await over.send([...message]);
        else await peer.sendRaw(message);
      }
      const { connection } = peer;
      const acknowledgement = peer.frame({ kind: 'acknowledge', tag });
      const received = Promise.all([peer.next('data'), peer.next('data')]);
      received.then(() => connection.send(acknowledgement)).catch(() => undefined);
      await result.then(
        (sum) => {
          outcomes.right++;
          assert.deepEqual(sum, values, what);
        },
        (error: unknown) => {
          outcomes.refused++;
          blamesThePeer(peer, /step 3/)(error);
        },
      );
      oldFrames = good.map(({ message: [header, payload] }) => ({
        message: [header, Buffer.from(payload).fill(0x40)],
      }));
    }
    t.diagnostic(JSON.stringify(outcomes));
    assert.ok(outcomes.right > 0 && outcomes.refused > 0);
  });

  it('ends the operation in its name where values come before the announcement', async (t) => {
    const scene = await stage(t);
    await scene.join();
    const { result } = await scene.begin();
    await scene.peer.send(chunk(0));
    await assert.rejects(result, blamesThePeer(scene.peer, /where this operation has none/));
  });

  it('ends a gather in its name where the length of its payload is a lie', async (t) => {
    const scene = await stage(t);
    for (const [length, head] of [
      [5, 4],
      [0xffffffff, MAX_PAYLOAD_BYTES - 4],
      [0, -3],
    ] as const) {
      await scene.join();
      const rejected = assert.rejects(
        scene.ours.allGather(tag, new Uint8Array(1)),
        blamesThePeer(scene.peer, /payload/),
      );
      const payload = Buffer.alloc(4 + head);
      if (payload.length >= 4) payload.writeUInt32LE(length);
      await scene.peer.send({ kind: 'announce', tag, payload });
      await rejected;
    }
  });

  it('is dropped and counted where it is of an operation or a generation that is over', async (t) => {
    const scene = await stage(t);
    const { ours, peer } = scene;
    await scene.join();
    const oldConnection = peer.connection;
    const oldFrame = peer.frame({ ...chunk(0), payload: new Uint8Array(MAX_PAYLOAD_BYTES).fill(0x40) });
    await scene.join();
    const { result } = await scene.begin();
    await oldConnection.send([...oldFrame]);
    await waitUntil(() => ours.traffic.staleFrames === 1, 'the frame of the old generation');
    await peer.send({ ...chunk(0), tag: { ...tag, phase: 0 } });
    await behave(scene);
    assert.deepEqual(await result, values);
    assert.equal(ours.traffic.staleFrames, 2);
    await peer.send(chunk(1));
    await waitUntil(() => ours.traffic.staleFrames === 3, 'the chunk after the end');
  });
});

describe('strangers', () => {
  it('are dropped and counted, whatever they send, and the sum is right', async (t) => {
    const scene = await stage(t);
    const { ours, peer } = scene;
    await scene.join();
    const { result } = await scene.begin();

    const otherRun = await FakePeer.bind(t, 'run-2');
    const stranger = sendingSocket('stranger');
    t.after(() => stranger.close());
    stranger.connect(ours.endpoint);
    await stranger.send([...peer.frame(chunk(0))]);
    await stranger.send('garbage');
    await stranger.send(['', '', '', '']);
    await otherRun.greet(ours.endpoint, 1);
    await otherRun.send(chunk(0));
    await waitUntil(() => ours.traffic.foreignFrames === 5, 'the frames of the strangers');

    const { hostname, port } = new URL(ours.endpoint);
    const raw = connect(Number(port), hostname);
    raw.on('error', () => undefined);
    raw.resume().end('GET / HTTP/1.1\r\n\r\n');
    // Not `once`: a reset connection is closed too.
    await new Promise((resolve) => raw.once('close', resolve));

    await behave(scene);
    assert.deepEqual(await result, values);
  });

  it('cannot make a worker read more than two frames at once', async (t) => {
    const scene = await stage(t);
    await scene.join();
    const { result } = await scene.begin();
    const stranger = sendingSocket('stranger');
    t.after(() => stranger.close());
    stranger.connect(scene.ours.endpoint);
    const { events } = stranger;
    await stranger.send(new Uint8Array(8 * MAX_PAYLOAD_BYTES));
    while ((await events.receive()).type !== 'disconnect');
    await behave(scene);
    assert.deepEqual(await result, values);
    assert.ok(scene.ours.traffic.receivedBytes < 4 * MAX_PAYLOAD_BYTES);
  });
});

/** A message, and the connection to send it over where that is not the newest. */
interface Sent {
  readonly message: readonly [Uint8Array, Uint8Array];
  readonly over?: Dealer;
}

const noise = (random: () => number) => Uint8Array.from({ length: 64 }, () => Math.floor(random() * 256));
