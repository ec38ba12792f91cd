import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';

import { ConfigError, RunError } from '../../../../lib/errors.js';
import { channelOptions, serve, type StatusLike } from '../../../../proto/calls.js';
import { referenceService, type v1 } from '../../../../proto/services.js';
import { ReferenceClient } from '../../../../worker/reference/client.js';
import type { Leaf } from '../../../../worker/trainer/work.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

type Answer = (request: v1.LogProbsRequest) => Promise<v1.LogProbsResponse.$Properties>;

class Refusal extends Error {
  constructor(readonly status: StatusLike) {
    super(status.details);
  }
}

const model = { modelDir: '/models/frozen', adapterDir: null };

const refuse = (code: status, details: string) => Promise.reject(new Refusal({ code, details }));

/** A replica's place, where the test puts one server after the other. */
class Place {
  readonly socket: string;

  constructor(
    private readonly t: TestContext,
    dir: string,
  ) {
    this.socket = join(dir, 'replica.sock');
  }

  async serve(answer: Answer): Promise<Server> {
    await rm(this.socket, { force: true });
    const server = new Server(channelOptions);
    serve(server, referenceService, { logProbs: answer }, (error) => (error as Refusal).status);
    this.t.after(() => server.forceShutdown());
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${this.socket}`, ServerCredentials.createInsecure(), (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
    return server;
  }
}

async function setUp(t: TestContext, { byToken = false, sharePrompts = false } = {}) {
  const place = new Place(t, await temporaryDirectory(t));
  const news: string[] = [];
  let wake: () => void = () => undefined;
  const tell = (what: string) => {
    news.push(what);
    wake();
  };
  const client = new ReferenceClient(
    place.socket,
    { model, byToken, sharePrompts },
    {
      answered: (cached) => tell(cached ? 'hit' : 'miss'),
      lost: () => tell('lost'),
      back: () => tell('back'),
    },
  );
  t.after(() => client.close());
  const heard = async (what: string) => {
    while (!news.includes(what)) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { place, client, news, heard };
}

function leafOf(...lengths: number[]): Leaf {
  return lengths.map((length, position) => ({
    position,
    row: position,
    completions: [{ ids: new Int32Array(length).fill(5), completionStart: 1 }],
    mismatched: null,
    desirable: true,
    score: null,
    reference: null,
  }));
}

const lengthsAsLogps: Answer = ({ sequences }) =>
  Promise.resolve({ completions: sequences.map(({ ids }) => ({ logp: -(ids?.length ?? 0) })), cached: true });

const answersOf = (...lengths: number[]) =>
  lengths.map((length) => ({ completions: [{ logp: -length, tokenLogps: null }], mismatched: null }));

const never = () => new Promise<never>(() => undefined);

describe('the client of the reference replica', () => {
  test('asks a replica that is not there yet until it is', async (t) => {
    const { place, client, news, heard } = await setUp(t);
    const answers = Promise.all([client.answers(leafOf(3, 4)), client.answers(leafOf(2))]);
    await heard('lost');
    await place.serve(lengthsAsLogps);
    assert.deepStrictEqual(await answers, [answersOf(3, 4), answersOf(2)]);
    assert.deepEqual(news, ['lost', 'back', 'hit', 'hit'], 'it says so once, whoever waits');
  });

  test('answers that came with the work count as known ones, and nobody is asked for them', async (t) => {
    const { client, news } = await setUp(t);
    const [reference] = answersOf(3);
    const leaf = leafOf(3).map((example) => ({ ...example, reference: reference! }));
    assert.deepStrictEqual(await client.answers(leaf), [reference]);
    assert.deepEqual(news, ['hit']);
  });

  test('a request whose replica goes away is answered by the next one', async (t) => {
    const { place, client, news } = await setUp(t);
    let asked!: () => void;
    const request = new Promise<void>((resolve) => (asked = resolve));
    const first = await place.serve(() => {
      asked();
      return never();
    });
    const answers = client.answers(leafOf(3));
    await request;
    first.forceShutdown();
    await place.serve(lengthsAsLogps);
    assert.deepStrictEqual(await answers, answersOf(3));
    assert.deepEqual(news, ['lost', 'back', 'hit']);
    assert.deepStrictEqual(await client.answers(leafOf(6)), answersOf(6));
  });

  test('so is one that was still being sent', async (t) => {
    const { place, client, news, heard } = await setUp(t);
    // A replica behind a relay that breaks after a part of the request.
    const hidden = new Place(t, await temporaryDirectory(t));
    await hidden.serve(lengthsAsLogps);
    const relay = createServer((socket) => {
      const onward = connect(hidden.socket);
      let received = 0;
      socket
        .on('error', () => undefined)
        .pipe(onward.on('error', () => undefined))
        .pipe(socket);
      socket.on('data', (bytes: Buffer) => {
        received += bytes.length;
        if (received < 100_000) return;
        socket.destroy();
        onward.destroy();
      });
    }).listen(place.socket);
    await once(relay, 'listening');
    const answers = client.answers(leafOf(2 ** 20, 2 ** 20));
    await heard('lost');
    await new Promise((resolve) => relay.close(resolve));
    await place.serve(lengthsAsLogps);
    assert.deepStrictEqual(await answers, answersOf(2 ** 20, 2 ** 20));
    assert.deepEqual(news, ['lost', 'back', 'hit']);
  });

  test('a replica that says it is unavailable is asked again', async (t) => {
    const { place, client, news } = await setUp(t);
    let requests = 0;
    await place.serve((request) =>
      ++requests < 3 ? refuse(status.UNAVAILABLE, 'the compute thread ended') : lengthsAsLogps(request),
    );
    assert.deepStrictEqual(await client.answers(leafOf(3)), answersOf(3));
    assert.equal(requests, 3);
    assert.deepEqual(news, ['lost', 'back', 'hit']);
  });

  test('says whose log-probs it wants', async (t) => {
    const asked: unknown[] = [];
    const echo: Answer = (request) => {
      const { directory, adapterDirectory } = request.model ?? {};
      asked.push([directory, adapterDirectory]);
      return lengthsAsLogps(request);
    };
    const { place, client } = await setUp(t);
    await place.serve(echo);
    await client.answers(leafOf(3));
    assert.deepEqual(asked, [['/models/frozen', '']]);
  });

  test('a model that the replica cannot load is bad input', async (t) => {
    const { place, client, news } = await setUp(t);
    await place.serve(() => refuse(status.FAILED_PRECONDITION, '/models/frozen: no config.json'));
    await assert.rejects(client.answers(leafOf(3)), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /^the reference replica at .*: \/models\/frozen: no config\.json$/);
      return true;
    });
    assert.deepEqual(news, []);
  });

  for (const code of [status.INVALID_ARGUMENT, status.INTERNAL]) {
    test(`${status[code]} is an error, at once`, async (t) => {
      const { place, client, news } = await setUp(t);
      await place.serve(() => refuse(code, 'sequence 0: no'));
      await assert.rejects(client.answers(leafOf(3)), (error) => {
        assert.ok(error instanceof RunError);
        assert.match(error.message, /^the reference replica at .*replica\.sock: .*sequence 0: no$/);
        return true;
      });
      assert.deepEqual(news, []);
    });
  }

  const wrong: Record<string, v1.LogProbsResponse.$Properties> = {
    'gave 1 answers for 2 sequences': { completions: [{ logp: -1, tokenLogps: [-1, -1] }] },
    'missing or not finite': {
      completions: [
        { logp: -1, tokenLogps: [-1, -1] },
        { logp: Number.NaN, tokenLogps: [-1, -1] },
      ],
    },
    'sent 1 token log-probs for 2 completion tokens': {
      completions: [
        { logp: -1, tokenLogps: [-1] },
        { logp: -1, tokenLogps: [-1, -1] },
      ],
    },
  };
  for (const [message, response] of Object.entries(wrong)) {
    test(`a wrong answer is an error: ${message}`, async (t) => {
      const { place, client } = await setUp(t, { byToken: true });
      await place.serve(() => Promise.resolve(response));
      await assert.rejects(client.answers(leafOf(3, 3)), { message: new RegExp(message) });
    });
  }

  test('closing ends calls that wait for a replica, and leaves no timer', async (t) => {
    const { client, heard } = await setUp(t);
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const waiting = client.answers(leafOf(3));
    await heard('lost');
    client.close();
    await assert.rejects(waiting, /is not needed any more/);
    await assert.rejects(client.answers(leafOf(3)), /is not needed any more/);
    assert.ok(timers() <= before, `${before} timers before, ${timers()} after`);
  });

  test('closing ends calls that the replica works on', async (t) => {
    const { place, client } = await setUp(t);
    let asked!: () => void;
    const request = new Promise<void>((resolve) => (asked = resolve));
    await place.serve(() => {
      asked();
      return never();
    });
    const waiting = client.answers(leafOf(3));
    await request;
    client.close();
    await assert.rejects(waiting, /is not needed any more/);
  });
});
