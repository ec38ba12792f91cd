/** A process of the bench: those who watch a run, as command lines and as a page. */
import { get, type IncomingMessage } from 'node:http';
import { setPriority } from 'node:os';
import { credentials, type ClientReadableStream } from '@grpc/grpc-js';
import { connect, openServerStream } from '../../../proto/calls.js';
import { runService, type v1 } from '../../../proto/services.js';

export interface AudienceCommand {
  /** `come` is answered once all have seen an event that is new. */
  readonly kind: 'come' | 'go';
}

/** What to watch, as the program's one argument. */
export interface Scene {
  readonly address: string;
  readonly pageAddress: string;
  readonly runId: string;
  readonly watchers: number;
}

/** The page looks at the list of runs as often (coordinator/page/browser/main.ts). */
const LIST_INTERVAL_MS = 2_000;

/** As `prospect logs -f` does it: a connection of its own, and after a pause the events from where it was. */
class Watcher {
  readonly #scene: Scene;
  readonly #client;
  #sequence = 0;
  #stream: ClientReadableStream<v1.WatchRunResponse> | undefined;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#client = connect(scene.address, credentials.createInsecure());
  }

  come(): Promise<void> {
    const sinceMs = Date.now();
    const request = { runId: this.#scene.runId, afterSequence: this.#sequence };
    const stream = openServerStream(this.#client, runService.watchRun, request);
    this.#stream = stream;
    return new Promise((resolve, reject) => {
      stream.on('data', ({ sequence, timeMs }: v1.WatchRunResponse) => {
        this.#sequence = sequence;
        if (timeMs >= sinceMs) resolve();
      });
      stream.once('error', reject);
    });
  }

  go(): void {
    this.#stream?.on('error', () => undefined).cancel();
  }
}

/** As the live page does it. */
class Page {
  readonly #scene: Scene;
  #sequence = 0;
  #events: IncomingMessage | undefined;
  #listTimer: NodeJS.Timeout | undefined;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  come(): Promise<void> {
    const sinceMs = Date.now();
    const { pageAddress, runId } = this.#scene;
    const list = () => get(`http://${pageAddress}/api/runs`, (response) => response.resume());
    this.#listTimer = setInterval(list, LIST_INTERVAL_MS);
    list();
    const events = `http://${pageAddress}/api/runs/${runId}/events?after=${this.#sequence}`;
    return new Promise((resolve, reject) => {
      const request = get(events, (response) => {
        this.#events = response;
        response.setEncoding('utf8').on('data', (text: string) => {
          for (const [, sequence] of text.matchAll(/^id: (\d+)$/gm)) this.#sequence = Number(sequence);
          for (const [, timeMs] of text.matchAll(/"timeMs":(\d+)/g)) if (Number(timeMs) >= sinceMs) resolve();
        });
      });
      request.once('error', reject);
    });
  }

  go(): void {
    clearInterval(this.#listTimer);
    this.#events?.on('error', () => undefined).destroy();
  }
}

// What they do with the news is their own machines' work: here it must not take the processors from the run.
setPriority(19);
const scene = JSON.parse(process.argv[2]!) as Scene;
const all = [new Page(scene), ...Array.from({ length: scene.watchers }, () => new Watcher(scene))];

process.once('disconnect', () => process.exit());
process.on('message', ({ kind }: AudienceCommand) => {
  if (kind === 'come')
    void Promise.all(all.map((one) => one.come())).then(() => process.send!('all are here'));
  else {
    for (const one of all) one.go();
    process.send!('all are gone');
  }
});
