import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mailbox } from '../../../../worker/trainer/mailbox.js';

test('messages come in order, before or after they are asked for', async () => {
  const mailbox = new Mailbox<number>();
  mailbox.put(1);
  mailbox.put(2);
  assert.equal(await mailbox.next(), 1);
  assert.equal(await mailbox.next(), 2);
  const later = mailbox.next();
  mailbox.put(3);
  assert.equal(await later, 3);
});

test('a failure reaches the reader that waits, and those after what came before is read', async () => {
  const mailbox = new Mailbox<number>();
  const waiting = mailbox.next();
  mailbox.fail(new Error('gone'));
  await assert.rejects(waiting, /gone/);
  await assert.rejects(mailbox.next(), /gone/);

  const full = new Mailbox<number>();
  full.put(7);
  full.fail(new Error('gone'));
  assert.equal(await full.next(), 7);
  await assert.rejects(full.next(), /gone/);
});
