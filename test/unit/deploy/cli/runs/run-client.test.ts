import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import {
  CoordinatorLost,
  getCoordinator,
  submitRun,
  watchRun,
} from '../../../../../deploy/cli/runs/run-client.js';
import { ConfigError, RunError } from '../../../../../lib/errors.js';
import { FakeCoordinator, Refusal } from '../../../../support/fake-coordinator.js';

test('a refused run is bad input; a coordinator that is broken or gone is not', async (t) => {
  const fake = await FakeCoordinator.start(t);
  const client = fake.connect(t);
  const refuseWith = (code: number) => {
    fake.before = () => {
      throw new Refusal(code, 'refused');
    };
    return submitRun(client, {});
  };
  await assert.rejects(refuseWith(status.INVALID_ARGUMENT), new ConfigError('refused'));
  await assert.rejects(refuseWith(status.FAILED_PRECONDITION), new RunError('refused'));
  await assert.rejects(refuseWith(status.UNIMPLEMENTED), /of a version that cannot do this/);
  await assert.rejects(refuseWith(status.INTERNAL), CoordinatorLost);
  fake.stop();
  await assert.rejects(submitRun(client, {}), CoordinatorLost);
});

test('what is aborted rejects with the reason, in the middle of a stream too', async (t) => {
  const fake = await FakeCoordinator.start(t);
  const client = fake.connect(t);
  fake.addRun({ id: 'run-1' });
  const interruption = new AbortController();
  const reason = new Error('enough');
  const seen: number[] = [];
  const watching = async () => {
    for await (const { sequence } of watchRun(client, 'run-1', { signal: interruption.signal })) {
      seen.push(sequence);
      interruption.abort(reason);
    }
  };
  await assert.rejects(watching(), reason);
  assert.deepEqual(seen, [1]);
  await assert.rejects(getCoordinator(client, { signal: interruption.signal }), reason);
});
