import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { Coordinator } from '../../../../../deploy/cli/remote/coordinator.js';
import { Patience } from '../../../../../deploy/cli/remote/patience.js';
import { CoordinatorLost, getRun, watchRun } from '../../../../../deploy/cli/runs/run-client.js';
import { RunError } from '../../../../../lib/errors.js';
import { v1 } from '../../../../../proto/services.js';
import { FakeCoordinator, Refusal } from '../../../../support/fake-coordinator.js';

async function setUp(t: TestContext, limitMs = 60_000) {
  const fake = await FakeCoordinator.start(t);
  fake.addRun({ id: 'run-1' });
  const client = fake.connect(t);
  const said: string[] = [];
  let onSaid: (text: string) => void = () => undefined;
  const say = (text: string) => {
    said.push(text);
    onSaid(text);
  };
  const announcer = { line: say, warning: say };
  const interruption = new AbortController();
  const coordinator = { client, address: fake.address } satisfies Partial<Coordinator>;
  const times = { limitMs, askEveryMs: 10 };
  const patience = new Patience(coordinator, announcer, interruption.signal, times);
  const whenSaid = (action: (text: string) => void) => (onSaid = action);
  return { fake, client, said, patience, interruption, whenSaid };
}

test('a call is made again once the coordinator is back, which is said once each', async (t) => {
  const { fake, client, said, patience, whenSaid } = await setUp(t);
  fake.stop();
  whenSaid((text) => {
    if (text.includes('gone away')) void fake.listen();
  });
  const run = await patience.call(() => getRun(client, 'run-1'));
  assert.equal(run.id, 'run-1');
  assert.deepEqual(said, [
    `the coordinator at ${fake.address} has gone away: waiting for it, up to 1:00`,
    'the coordinator is back',
  ]);
});

test('a stream goes on where it was, over two restarts: every event once', async (t) => {
  const { fake, client, patience, whenSaid } = await setUp(t);
  const seen: number[] = [];
  let last = 0;
  const events = patience.stream(async function* () {
    for await (const event of watchRun(client, 'run-1', { afterSequence: last })) {
      last = event.sequence;
      yield event;
    }
  });
  whenSaid((text) => {
    if (text.includes('gone away')) void fake.listen();
  });
  for await (const { sequence } of events) {
    seen.push(sequence);
    if (sequence === 1 || sequence === 2) {
      fake.stop();
      fake.tell('run-1', { notice: { text: 'meanwhile' } });
    }
    if (sequence === 3) fake.tell('run-1', { run: { state: v1.RunState.RUN_STATE_COMPLETED } });
  }
  assert.deepEqual(seen, [1, 2, 3, 4]);
});

test('one that stays away is given up after the time', async (t) => {
  const { fake, client, patience } = await setUp(t, 50);
  fake.stop();
  await assert.rejects(
    patience.call(() => getRun(client, 'run-1')),
    CoordinatorLost,
  );
});

test('what a coordinator refuses, or cannot do, is not asked again', async (t) => {
  const { fake, client, said, patience } = await setUp(t);
  for (const code of [status.FAILED_PRECONDITION, status.INTERNAL]) {
    fake.calls.length = 0;
    fake.before = () => {
      throw new Refusal(code, 'no');
    };
    await assert.rejects(
      patience.call(() => getRun(client, 'run-1')),
      RunError,
    );
    assert.deepEqual(fake.calls, ['getRun']);
  }
  assert.deepEqual(said, []);
});

test('waiting ends at once where the user wants it', async (t) => {
  const { fake, client, patience, interruption, whenSaid } = await setUp(t);
  fake.stop();
  const reason = new Error('enough');
  whenSaid(() => interruption.abort(reason));
  await assert.rejects(
    patience.call(() => getRun(client, 'run-1')),
    reason,
  );
});
