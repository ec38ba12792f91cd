import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { HashedFile } from '../../../../../deploy/cli/remote/inputs.js';
import { Patience } from '../../../../../deploy/cli/remote/patience.js';
import { planUploads, sendUploads, type Upload } from '../../../../../deploy/cli/remote/upload.js';
import { ConfigError, RunError } from '../../../../../lib/errors.js';
import { FakeCoordinator } from '../../../../support/fake-coordinator.js';
import { temporaryDirectory } from '../../../coordinator/data/tiny-model.js';

const MIB = 2 ** 20;

async function setUp(t: TestContext) {
  const fake = await FakeCoordinator.start(t);
  const directory = temporaryDirectory(t);
  let count = 0;
  /** A file on the disk, hashed. */
  const file = (content: Buffer): HashedFile => {
    const path = join(directory, `file-${(count += 1)}`);
    writeFileSync(path, content);
    const { size, mtimeMs } = statSync(path);
    return { path, name: '', size, mtimeMs, sha256: createHash('sha256').update(content).digest('hex') };
  };
  /** A client that sends files; resolves to how many bytes were held, as it was told. */
  const sender = () => {
    const client = fake.connect(t);
    const interruption = new AbortController();
    const { signal } = interruption;
    const silent = { line: () => undefined, warning: () => undefined };
    const times = { limitMs: 60_000, askEveryMs: 10 };
    const patience = new Patience({ client, address: fake.address }, silent, signal, times);
    const told: number[] = [];
    const plan = (files: readonly HashedFile[]) => planUploads(client, files, signal);
    const send = async (uploads: readonly Upload[]) => {
      await sendUploads(client, uploads, { patience, signal, onHeld: (bytes) => told.push(bytes) });
    };
    const sendFiles = async (...files: HashedFile[]) => send(await plan(files));
    return { plan, send, sendFiles, told, interruption };
  };
  return { fake, file, sender };
}

const chunks = ({ calls }: FakeCoordinator) => calls.filter((name) => name === 'putChunk').length;

describe('an upload', () => {
  test('sends every content once, in chunks, and tells how much is held', async (t) => {
    const { fake, file, sender } = await setUp(t);
    const content = randomBytes(5 * MIB + 3);
    const files = [file(content), file(content), file(Buffer.from('small')), file(Buffer.alloc(0))];
    const { sendFiles, told } = sender();
    await sendFiles(...files);
    for (const { sha256 } of files) fake.uploads.requireComplete(sha256);
    assert.equal(chunks(fake), 4);
    assert.equal(told.at(-1), content.length + 5);
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    );
  });

  test('sends nothing of what is there, and only the rest of what is there in part', async (t) => {
    const { fake, file, sender } = await setUp(t);
    const [there, partly] = [file(randomBytes(MIB)), file(randomBytes(4 * MIB))];
    await sender().sendFiles(there);
    const half = sender();
    const content = randomBytes(4 * MIB);
    const other = file(content);
    fake.uploads.hold(other.sha256, content.subarray(0, 3 * MIB));
    fake.calls.length = 0;
    const uploads = await half.plan([there, other, partly]);
    assert.deepEqual(
      uploads.map(({ held }) => held),
      [MIB, 3 * MIB, 0],
    );
    await half.send(uploads);
    assert.equal(chunks(fake), 1 + 2);
    assert.equal(half.told[0], 4 * MIB);
    assert.equal(half.told.at(-1), 9 * MIB);
    fake.uploads.requireComplete(other.sha256);
  });

  test('goes on after the coordinator was away, without sending again what it kept', async (t) => {
    const { fake, file, sender } = await setUp(t);
    const big = file(randomBytes(9 * MIB));
    fake.before = async (call) => {
      if (call !== 'putChunk' || chunks(fake) !== 3) return;
      fake.before = () => undefined;
      fake.stop();
      await fake.listen();
    };
    await sender().sendFiles(big);
    fake.uploads.requireComplete(big.sha256);
    // Five chunks, of which one was cut off on its way, before or after it was kept.
    assert.ok(chunks(fake) <= 6, `${chunks(fake)}`);
  });

  test('by two clients at once comes to one file, and neither of them fails', async (t) => {
    const { fake, file, sender } = await setUp(t);
    const big = file(randomBytes(16 * MIB));
    await Promise.all([sender().sendFiles(big), sender().sendFiles(big)]);
    fake.uploads.requireComplete(big.sha256);
  });

  test('stops where the user wants, and leaves what was sent', async (t) => {
    const { fake, file, sender } = await setUp(t);
    const big = file(randomBytes(9 * MIB));
    const first = sender();
    const reason = new Error('enough');
    fake.before = (call) => {
      if (call === 'putChunk' && chunks(fake) === 3) first.interruption.abort(reason);
    };
    await assert.rejects(first.sendFiles(big), reason);
    fake.before = () => undefined;
    const [upload] = await sender().plan([big]);
    assert.ok(upload!.held >= 4 * MIB && upload!.held < big.size, `${upload!.held}`);
  });
});

describe('an upload fails in one line', () => {
  test('where the disk is full: what was sent stays', async (t) => {
    const { fake, file, sender } = await setUp(t);
    const big = file(randomBytes(9 * MIB));
    fake.uploads.roomBytes = 5 * MIB;
    await assert.rejects(sender().sendFiles(big), new RunError('the disk is full'));
    fake.uploads.roomBytes = Infinity;
    const again = sender();
    const uploads = await again.plan([big]);
    assert.equal(uploads[0]!.held, 4 * MIB);
    await again.send(uploads);
    fake.uploads.requireComplete(big.sha256);
  });

  for (const [what, change] of [
    ['grows', (path: string) => appendFileSync(path, 'x')],
    ['shrinks', (path: string) => truncateSync(path, 3 * MIB)],
    ['is written anew', (path: string) => writeFileSync(path, randomBytes(5 * MIB))],
  ] as const) {
    test(`where the file ${what} while it is sent`, async (t) => {
      const { fake, file, sender } = await setUp(t);
      const big = file(randomBytes(5 * MIB));
      fake.before = (call) => {
        if (call === 'putChunk' && chunks(fake) === 2) change(big.path);
      };
      const sending = sender().sendFiles(big);
      if (what === 'grows') {
        // What was promised is sent all the same.
        await sending;
        fake.uploads.requireComplete(big.sha256);
      } else {
        await assert.rejects(sending, /file-1 has changed while it was sent: submit again/);
      }
    });
  }

  test('where the file has changed since it was hashed, before anything is sent', async (t) => {
    const { fake, file, sender } = await setUp(t);
    const small = file(Buffer.from('before'));
    writeFileSync(small.path, 'and after');
    await assert.rejects(sender().sendFiles(small), /has changed/);
    assert.equal(chunks(fake), 0);
  });

  test('where the content is refused though the file is the same', async (t) => {
    const { file, sender } = await setUp(t);
    const lying = { ...file(Buffer.from('content')), sha256: 'f'.repeat(64) };
    await assert.rejects(sender().sendFiles(lying), (error: Error) => {
      return error instanceof ConfigError && error.message.includes('not what its hash says');
    });
  });

  test('where the coordinator never takes more', async (t) => {
    const { fake, file, sender } = await setUp(t);
    fake.uploads.put = () => 0;
    await assert.rejects(sender().sendFiles(file(Buffer.from('x'))), /takes no more of .*file-1/);
  });
});

test('property: whatever is held of a file, and whoever sends it too, it becomes complete', async (t) => {
  const { fake, file, sender } = await setUp(t);
  const sizes = fc.integer({ min: 1, max: 5 * MIB });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      fc.boolean(),
      async (size, share, alone) => {
        const content = randomBytes(size);
        const sent = file(content);
        fake.uploads.hold(sent.sha256, content.subarray(0, Math.floor(size * share)));
        const senders = alone ? [sender()] : [sender(), sender()];
        await Promise.all(senders.map(({ sendFiles }) => sendFiles(sent)));
        fake.uploads.requireComplete(sent.sha256);
      },
    ),
    { numRuns: 15 },
  );
});
