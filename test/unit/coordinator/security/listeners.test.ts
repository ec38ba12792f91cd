import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { Listeners } from '../../../../coordinator/security/listeners.js';
import { Refusals } from '../../../../coordinator/security/refusals.js';
import { parseListen } from '../../../../lib/listen.js';

const log = pino({ level: 'silent' });
const nothing = () => undefined;

/** What a client of HTTP/2 says first: RFC 9113, section 3.4, and no settings. */
const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

test(
  'a connection whose other end is gone without a word does not outlive the listeners',
  { timeout: 60_000 },
  async (t) => {
    const listeners = new Listeners(
      { all: nothing, forWorkers: nothing, health: nothing },
      new Refusals(new Registry(), log),
      log,
    );
    await listeners.open({ listen: '127.0.0.1:0', security: null, healthListen: null });
    // An end that is gone never says so: this one is told that the other has closed, and stays.
    const silent = connect({ ...parseListen(listeners.address), allowHalfOpen: true });
    t.after(() => silent.destroy());
    silent.write(preface);
    await once(silent, 'data');
    await listeners.close();

    // Of a connection that is cut off, the system refuses what comes over it.
    silent.on('error', nothing).on('data', nothing);
    while (!silent.destroyed) {
      silent.write(preface);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(silent.errored !== null, 'cut off');
  },
);
