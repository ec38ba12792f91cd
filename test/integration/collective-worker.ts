/** One rank in a process of its own, driven by its parent over IPC: see collective.test.ts. */
import { messageOf } from '../../lib/errors.js';
import { Collective } from '../../worker/collective/collective.js';
import { MAX_PAYLOAD_BYTES } from '../../worker/collective/frame.js';
import { EngineThread } from '../../worker/compute/engine-thread.js';
import { FlatBuffer } from '../../worker/parameters/flat-buffer.js';
import { ownedRange } from '../../worker/parameters/layout.js';
import { FinalTensors } from '../../worker/reduction/final-tensors.js';
import { accumulationPlan, runsOf } from '../../worker/reduction/tree.js';
import {
  hashOf,
  LARGE_LAYOUT,
  LAYOUT,
  LEAF_COUNT,
  leavesOf,
  type Assignment,
  type Report,
} from '../support/collective-work.js';
import { allReduceLeaves, finishOwned, gatherSum } from '../support/collectives.js';
import { waitUntil } from '../support/wait-until.js';
import type { OpenSumming, SummingEngine } from './summing-thread.js';

const report = (message: Report) => process.send!(message);

const collective = await Collective.bind({
  runId: 'run-1',
  host: '127.0.0.1',
  timeoutMs: Number(process.argv[2]),
  security: 'plain',
});

process.on('message', (message: Assignment | 'close') => {
  // After `close` nothing may keep this process alive.
  if (message === 'close') void collective.close().then(() => process.disconnect());
  else void work(message);
});
report({ kind: 'bound', endpoint: collective.endpoint });

async function work(assignment: Assignment): Promise<void> {
  const { rank, runStarts, steps, overlapped = false } = assignment;
  try {
    await collective.connect(assignment);
    for (let step = 0; step < steps; step++) {
      const sum = overlapped
        ? await allReduceOverlapped(rank, runStarts, step)
        : await allReduceLeaves(collective, rank, LAYOUT, leavesOf(step), runStarts, step);
      report({ kind: 'step', step, sum: hashOf(sum) });
    }
  } catch (error) {
    report({ kind: 'failed', error: (error as Error).name, message: messageOf(error) });
  }
}

/** As a training step does it: the thread computes leaf after leaf, while this one sends what is final. */
async function allReduceOverlapped(
  rank: number,
  runStarts: readonly number[],
  step: number,
): Promise<Float32Array> {
  const tag = (phase: number) => ({ stage: 0, step, phase });
  const runs = runsOf(runStarts);
  const plan = accumulationPlan(runs[rank]!, LEAF_COUNT);
  const gate = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const thread = new EngineThread<OpenSumming, SummingEngine, number>(
    new URL('./summing-thread.js', import.meta.url),
  );
  try {
    await thread.open({ slotCount: plan.slotCount, step, gate: gate.buffer });
    const slots = await thread.call('memory');
    const local = plan.nodes.map(({ node, slot }) => ({
      node,
      values: FlatBuffer.wrap(LARGE_LAYOUT, slots[slot]!),
      ready: new FinalTensors(LARGE_LAYOUT),
    }));
    const owned = ownedRange(LARGE_LAYOUT, rank, runs.length);
    const total = 4 * (LARGE_LAYOUT.size - (owned.end - owned.start)) * local.length;
    const before = collective.traffic.sentBytes;
    const reducing = collective.reduceScatter(tag(0), LARGE_LAYOUT, local, runs, LEAF_COUNT);
    // Only the chunk of the last tensor, which rank 0 owns, cannot have left.
    const heldBack = rank === 0 ? 0 : MAX_PAYLOAD_BYTES;
    const opened = waitUntil(
      () => collective.traffic.sentBytes - before >= total - heldBack,
      'all but the last tensor',
      60_000,
    ).then(() => {
      report({ kind: 'sentBeforeEnd', share: (collective.traffic.sentBytes - before) / total });
      Atomics.store(gate, 0, 1);
      Atomics.notify(gate, 0);
    });
    for (const leafStep of plan.steps) {
      const { completes } = leafStep;
      const onFinal = (offset: number) => completes !== null && local[completes]!.ready.add(offset);
      await thread.listen(onFinal, 'leaf', leafStep, leafStep === plan.steps.at(-1));
    }
    await opened;
    const sum = finishOwned(await reducing, local, owned, LEAF_COUNT);
    return await gatherSum(collective, tag(1), LARGE_LAYOUT, owned, sum);
  } finally {
    await thread.terminate();
  }
}
