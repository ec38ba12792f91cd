import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { RunError } from '../../../../lib/errors.js';
import { Collective } from '../../../../worker/collective/collective.js';
import { FlatBuffer } from '../../../../worker/parameters/flat-buffer.js';
import { FinalTensors } from '../../../../worker/reduction/final-tensors.js';
import { coveringNodes, runsOf } from '../../../../worker/reduction/tree.js';
import { bindOne, connectAll, connectedGroup, layoutOf } from '../../../support/collectives.js';
import { waitUntil } from '../../../support/wait-until.js';

const tag = (step: number) => ({ stage: 0, step, phase: 0 });
const payload = new Uint8Array([1, 2, 3]);

/** An assertion on the error: a RunError of one line whose message has all of the parts. */
const runError =
  (...parts: string[]) =>
  (error: unknown) => {
    assert.ok(error instanceof RunError, String(error));
    for (const part of parts) assert.ok(error.message.includes(part), `"${error.message}" lacks "${part}"`);
    assert.ok(!error.message.includes('\n'));
    return true;
  };

describe('a peer that', () => {
  it('closes in the middle of an operation ends it in its name', async (t) => {
    const [staying, leaving] = await connectedGroup(t, 2);
    const ended = assert.rejects(
      staying!.allGather(tag(0), payload),
      runError('rank 1', leaving!.endpoint, 'step 0'),
    );
    await leaving!.close();
    await ended;
    await assert.rejects(staying!.allGather(tag(1), payload), runError('rank 1'));
  });

  it('closes after an operation lets the others finish it, and is missed in the next', async (t) => {
    const ranks = await connectedGroup(t, 3);
    const last = ranks.map((collective) => collective.allGather(tag(0), payload));
    await last[2];
    await ranks[2]!.close();
    await Promise.all(last);
    await assert.rejects(
      ranks[0]!.allGather(tag(1), payload),
      runError('rank 2', ranks[2]!.endpoint, 'left'),
    );
  });

  it('takes no part is named when the time is over, and so is every other', async (t) => {
    const ranks = await connectedGroup(t, 4, { timeoutMs: 300 });
    const isRight = (error: Error) => {
      assert.ok(!error.message.includes('rank 0') && !error.message.includes('rank 2'));
      return runError('rank 1', ranks[1]!.endpoint, 'rank 3', ranks[3]!.endpoint, '0.3 s', 'step 7')(error);
    };
    const tried = [0, 2].map((rank) => ranks[rank]!.allGather(tag(7), payload));
    await Promise.all(tried.map((pending) => assert.rejects(pending, isRight)));
  });

  it('nobody listens for is named when the time to connect is over', async (t) => {
    const gone = await Collective.bind({
      runId: 'run-1',
      host: '127.0.0.1',
      timeoutMs: 1000,
      security: 'plain',
    });
    await gone.close();
    const alone = await bindOne(t, { timeoutMs: 300 });
    const endpoints = [alone.endpoint, gone.endpoint];
    await assert.rejects(
      alone.connect({ generation: 1, rank: 0, endpoints }),
      runError('rank 1', gone.endpoint),
    );
  });

  it('has an endpoint that is none is named', async (t) => {
    const alone = await bindOne(t);
    const endpoints = [alone.endpoint, 'nowhere'];
    await assert.rejects(alone.connect({ generation: 1, rank: 0, endpoints }), runError('rank 1 (nowhere)'));
  });

  it('has been told of other workers is named', async (t) => {
    const [one, two, three] = await Promise.all([bindOne(t), bindOne(t), bindOne(t)]);
    const [a, b, c] = [one.endpoint, two.endpoint, three.endpoint];
    await Promise.all([
      assert.rejects(
        one.connect({ generation: 1, rank: 0, endpoints: [a, b] }),
        runError('rank 1', b, 'list of workers'),
      ),
      assert.rejects(two.connect({ generation: 1, rank: 1, endpoints: [a, b, c] }), RunError),
    ]);
  });

  it('works on another cut of the leaves is named before a value is sent', async (t) => {
    const ranks = await connectedGroup(t, 2);
    const layout = layoutOf(2);
    const reduce = (rank: number, runStarts: number[]) => {
      const runs = runsOf(runStarts);
      const nodes = coveringNodes(runs[rank]!, 3);
      const local = nodes.map((node) => ({ node, values: FlatBuffer.allocate(layout) }));
      return ranks[rank]!.reduceScatter(tag(0), layout, local, runs, 3);
    };
    await Promise.all([
      assert.rejects(reduce(0, [0, 2, 3]), runError('rank 1', 'runs')),
      assert.rejects(reduce(1, [0, 1, 3]), runError('rank 0', 'runs')),
    ]);
  });
});

describe('while this rank still computes what it sends', () => {
  const layout = layoutOf(80);
  const runs = runsOf([0, 1, 2]);
  const begin = (collective: Collective, rank: number) => {
    const ready = new FinalTensors(layout);
    const values = FlatBuffer.allocate(layout);
    const local = [{ node: { firstLeaf: rank, span: 1 }, values, ready }];
    const result = collective.reduceScatter(tag(0), layout, local, runs, 2);
    result.catch(() => undefined);
    return { ready, result };
  };

  it('a lost peer is known at once, and what is computed then goes nowhere', async (t) => {
    const ranks = await connectedGroup(t, 2);
    const [ours, theirs] = ranks as [Collective, Collective];
    const mine = begin(ours, 0);
    const other = begin(theirs, 1);
    other.ready.addAll();
    mine.ready.add(layout.tensors[70]!.offset);
    await theirs.close();
    await assert.rejects(mine.result, runError('rank 1', theirs.endpoint, 'step 0'));
    const { sentBytes } = ours.traffic;
    mine.ready.addAll();
    assert.equal(ours.traffic.sentBytes, sentBytes);
  });

  it('an abort ends it, and a new generation sums anew', async (t) => {
    const ranks = await connectedGroup(t, 2);
    const reason = new RunError('cancelled');
    const begun = ranks.map(begin);
    begun[0]!.ready.add(layout.tensors[70]!.offset);
    for (const collective of ranks) collective.abort(reason);
    for (const { result } of begun) await assert.rejects(result, reason);
    await connectAll(ranks, 2);
    for (const { ready } of begun) ready.addAll();
    const again = ranks.map(begin);
    for (const { ready } of again) ready.addAll();
    await Promise.all(again.map(({ result }) => result));
  });

  it('a silent peer may compute too: the time-out counts from the last value of this rank', async (t) => {
    const timeoutMs = 2000;
    const [ours, theirs] = await Promise.all([bindOne(t, { timeoutMs }), bindOne(t)]);
    await connectAll([ours, theirs], 1);
    const mine = begin(ours, 0);
    await delay(1.2 * timeoutMs);
    const other = begin(theirs, 1);
    other.ready.addAll();
    mine.ready.addAll();
    await Promise.all([mine.result, other.result]);
    const alone = ours.reduceScatter(
      tag(1),
      layout,
      [{ node: { firstLeaf: 0, span: 1 }, values: FlatBuffer.allocate(layout) }],
      runs,
      2,
    );
    await assert.rejects(alone, runError('rank 1', theirs.endpoint, '2 s'));
  });
});

describe('abort', () => {
  it('rejects what is pending and what comes after, until a new generation', async (t) => {
    const ranks = await connectedGroup(t, 2);
    const reason = new RunError('rank 5 was lost');
    const pending = ranks[0]!.allGather(tag(3), payload);
    ranks[0]!.abort(reason);
    await assert.rejects(pending, reason);
    await assert.rejects(ranks[0]!.allGather(tag(4), payload), reason);
    ranks[1]!.abort(reason);
    await connectAll(ranks, 2);
    await Promise.all(ranks.map((collective) => collective.allGather(tag(3), payload)));
  });

  it('rejects a connect that is pending', async (t) => {
    const [one, two] = await Promise.all([bindOne(t), bindOne(t)]);
    const pending = one.connect({ generation: 1, rank: 0, endpoints: [one.endpoint, two.endpoint] });
    one.abort(new RunError('cancelled'));
    await assert.rejects(pending, runError('cancelled'));
  });

  it('is harmless before there is anything', async (t) => {
    const one = await bindOne(t);
    one.abort(new RunError('cancelled'));
    await assert.rejects(one.allGather(tag(0), payload), /has not connected/);
  });
});

describe('a new generation', () => {
  it('ends the one before it, also with other ranks', async (t) => {
    const ranks = await connectedGroup(t, 3);
    const pending = ranks[0]!.allGather(tag(0), payload);
    const rejected = assert.rejects(pending, runError('generation 2'));
    await connectAll([ranks[2]!, ranks[0]!], 2);
    await rejected;
    const gathered = await Promise.all([
      ranks[2]!.allGather(tag(0), new Uint8Array([2])),
      ranks[0]!.allGather(tag(0), new Uint8Array([0])),
    ]);
    assert.deepEqual(
      gathered.map((payloads) => payloads.map((one) => one[0])),
      [
        [2, 0],
        [2, 0],
      ],
    );
  });

  it('waits for the rank that is told of it last', async (t) => {
    const [early, late] = await connectedGroup(t, 2);
    const endpoints = [early!.endpoint, late!.endpoint];
    const before = late!.traffic.receivedBytes;
    const joining = early!.connect({ generation: 9, rank: 0, endpoints });
    await waitUntil(() => late!.traffic.receivedBytes > before, 'the hello of generation 9');
    await Promise.all([joining, late!.connect({ generation: 9, rank: 1, endpoints })]);
    await Promise.all([early!.allGather(tag(0), payload), late!.allGather(tag(0), payload)]);
  });

  it('must be newer than the last', async (t) => {
    const ranks = await connectedGroup(t, 2);
    const endpoints = ranks.map(({ endpoint }) => endpoint);
    await assert.rejects(ranks[0]!.connect({ generation: 1, rank: 0, endpoints }), RangeError);
    await Promise.all(ranks.map((collective) => collective.allGather(tag(0), payload)));
  });
});

describe('close', () => {
  it('rejects what is pending and what comes after, and may be called twice', async (t) => {
    const [one] = await connectedGroup(t, 2);
    const pending = assert.rejects(one!.allGather(tag(0), payload), /closed/);
    await Promise.all([one!.close(), one!.close()]);
    await pending;
    await assert.rejects(one!.allGather(tag(1), payload), /closed/);
  });
});

it('names the address that it cannot listen on', async () => {
  const options = {
    runId: 'run-1',
    host: 'no.such.host.invalid',
    timeoutMs: 1000,
    security: 'plain',
  } as const;
  await assert.rejects(Collective.bind(options), runError('no.such.host.invalid'));
});
