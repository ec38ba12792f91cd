import assert from 'node:assert/strict';
import { connect as connectTcp } from 'node:net';
import { describe, it, type TestContext } from 'node:test';

import fc from 'fast-check';
import { curveKeyPair, Dealer } from 'zeromq';

import { RunError } from '../../../../lib/errors.js';
import { isCurveKey } from '../../../../lib/security/curve-key.js';
import type { Collective } from '../../../../worker/collective/collective.js';
import { Admission } from '../../../../worker/collective/admission.js';
import { newCurve, publicKeyOf } from '../../../../worker/collective/curve.js';
import { receivingSocket, sendingSocket } from '../../../../worker/collective/sockets.js';
import {
  allReduceLeaves,
  bindOne,
  connectAll,
  connectedGroup,
  layoutOf,
} from '../../../support/collectives.js';
import { waitUntil } from '../../../support/wait-until.js';

const curve = { security: 'curve' } as const;
const tag = { stage: 0, step: 1, phase: 0 };
const layout = layoutOf(3);
const leaves = [1, 2, 3].map((value) => new Float32Array(layout.size).fill(value));

/** A Dealer that speaks as it likes to a collective. */
function stranger(
  t: TestContext,
  { endpoint }: Collective,
  options: object,
): { readonly socket: Dealer; readonly fate: Promise<string> } {
  const socket = new Dealer({ linger: 0, ...options });
  t.after(() => socket.close());
  const fate = new Promise<string>((resolve) => {
    for (const type of [
      'handshake',
      'handshake:error:auth',
      'handshake:error:protocol',
      'handshake:error:other',
    ] as const)
      socket.events.on(type, () => resolve(type));
  });
  socket.connect(endpoint);
  return { socket, fate };
}

const keysOf = ({ publicKey, secretKey }: ReturnType<typeof curveKeyPair>, server: Collective) => ({
  curvePublicKey: publicKey,
  curveSecretKey: secretKey,
  curveServerKey: server.publicKey,
});

describe('an encrypted collective', () => {
  it('adds up to the same bits as a plain one', async (t) => {
    const sums = [];
    for (const security of ['plain', 'curve'] as const) {
      const ranks = await connectedGroup(t, 3, { security });
      sums.push(
        ...(await Promise.all(
          ranks.map((one, rank) => allReduceLeaves(one, rank, layout, leaves, [0, 1, 2, 3], 1)),
        )),
      );
      assert.ok(ranks.every(({ traffic }) => traffic.refusedPeers === 0));
    }
    for (const sum of sums) assert.deepEqual(sum, sums[0]);
  });

  it('goes on in generations, with newcomers and in other ranks', async (t) => {
    const [one, two, three] = await Promise.all([bindOne(t, curve), bindOne(t, curve), bindOne(t, curve)]);
    await connectAll([one, two], 1);
    await connectAll([one, two, three], 2);
    await connectAll([three, one], 3);
    const gathered = await Promise.all([three, one].map((rank) => rank.allGather(tag, Buffer.from('here'))));
    assert.deepEqual(
      gathered.flat().map((payload) => Buffer.from(payload).toString()),
      ['here', 'here', 'here', 'here'],
    );
  });

  it('lets a peer wait that is in a generation which this worker is not told of yet', async (t) => {
    const [early, late] = await Promise.all([bindOne(t, curve), bindOne(t, curve)]);
    const peers = {
      endpoints: [early, late].map(({ endpoint }) => endpoint),
      publicKeys: [early, late].map(({ publicKey }) => publicKey),
    };
    const joining = early.connect({ generation: 1, rank: 0, ...peers });
    // Mostly, it has asked to be let in by then.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await late.connect({ generation: 1, rank: 1, ...peers });
    await joining;
    assert.deepEqual(
      [early, late].map(({ traffic }) => traffic.refusedPeers),
      [0, 0],
    );
  });

  it('refuses, and counts, whoever has no key, or takes it for another', async (t) => {
    const [one] = await connectedGroup(t, 2, curve);
    const plain = stranger(t, one!, {});
    assert.match(await plain.fate, /^handshake:error/);
    const wrong = curveKeyPair();
    const mistaken = stranger(t, one!, { ...keysOf(wrong, one!), curveServerKey: wrong.publicKey });
    assert.match(await mistaken.fate, /^handshake:error/);
    await waitUntil(() => one!.traffic.refusedPeers >= 2, 'both are counted');
    // Nor does it mind a client that speaks no ZeroMQ.
    const port = Number(one!.endpoint.split(':').at(-1));
    const socket = connectTcp(port, '127.0.0.1').on('error', () => undefined);
    t.after(() => socket.destroy());
    socket.write('GET / HTTP/1.1\r\n\r\n');
  });

  it('names who is plain where others encrypt', async (t) => {
    const [one, two] = await Promise.all([bindOne(t, curve), bindOne(t)]);
    const peers = {
      endpoints: [one, two].map(({ endpoint }) => endpoint),
      publicKeys: [one, two].map(({ publicKey }) => publicKey),
    };
    await assert.rejects(
      one.connect({ generation: 1, rank: 0, ...peers }),
      (error: Error) =>
        error instanceof RunError && /rank 1 \(tcp:.*--collective-security/.test(error.message),
    );
    await assert.rejects(two.connect({ generation: 1, rank: 1, ...peers }), /rank 0 .*is encrypted/);
  });
});

describe('admission', () => {
  it('turns away a key of another run once its patience is over', async (t) => {
    const own = newCurve();
    let refused = 0;
    const admission = await Admission.open(own.context, () => refused++, 100);
    const router = receivingSocket(own);
    await router.bind('tcp://127.0.0.1:*');
    t.after(async () => {
      router.close();
      await admission.close();
    });
    const [member, other] = [newCurve(), newCurve()];
    admission.setMembers([member.publicKey]);
    const open = (curve_: typeof member) => {
      const dealer = sendingSocket('someone', { ...curve_, peerKey: own.publicKey });
      t.after(() => dealer.close());
      const fate = new Promise<string>((resolve) => {
        dealer.events.on('handshake', () => resolve('in'));
        dealer.events.on('handshake:error:auth', () => resolve('refused'));
      });
      dealer.connect(router.lastEndpoint!);
      return fate;
    };
    assert.equal(await open(other), 'refused');
    assert.equal(await open(member), 'in');
    assert.equal(refused, 1);
  });
});

describe('keys', () => {
  it('are written as ZeroMQ writes them', () => {
    // RFC 32: these eight bytes are HelloWorld, four times.
    const bytes = Buffer.concat(Array.from({ length: 4 }, () => Buffer.from('864fd26fb559f75b', 'hex')));
    assert.equal(publicKeyOf(bytes), 'HelloWorld'.repeat(4));
    assert.ok(isCurveKey(curveKeyPair().publicKey));
  });

  it('are 32 bytes, and 40 digits', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        (bytes) => isCurveKey(publicKeyOf(Buffer.from(bytes))) === (bytes.length === 32),
      ),
    );
    fc.assert(fc.property(fc.string({ maxLength: 39 }), (text) => !isCurveKey(text)));
    assert.ok(!isCurveKey(`${'a'.repeat(39)}~`));
  });
});
