import type { RunEvent } from '../view/events.js';
import { applyEvent, type RunView } from '../view/run-view.js';

export type Connection = 'live' | 'lost';

/** At most so often a run is drawn, however fast its steps are. */
const DRAW_INTERVAL_MS = 200;

/** Follows a run: its history at once, then its events, while the page is seen. */
export class LiveRun {
  readonly #path: string;
  readonly #draw: (view: RunView) => void;
  readonly #onConnection: (connection: Connection) => void;
  #view: RunView | undefined;
  #source: EventSource | undefined;
  #drawing = false;
  #closed = false;

  /**
   * @param draw is called with a view that has changed
   * @param onConnection is called when the stream comes or goes
   */
  constructor(id: string, draw: (view: RunView) => void, onConnection: (connection: Connection) => void) {
    this.#path = `/api/runs/${encodeURIComponent(id)}`;
    this.#draw = draw;
    this.#onConnection = onConnection;
  }

  /** Throws where the server does not know the run, or does not answer. */
  async start(): Promise<void> {
    const response = await fetch(this.#path);
    if (response.status === 404) throw new Error('The coordinator does not know it.');
    if (!response.ok) throw new Error(`The coordinator answered ${response.status}.`);
    const view = (await response.json()) as RunView;
    if (this.#closed) return;
    this.#view = view;
    this.#draw(view);
    document.addEventListener('visibilitychange', this.#connect);
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#source?.close();
    document.removeEventListener('visibilitychange', this.#connect);
  }

  /** A tab that nobody sees needs no stream: a browser gives all tabs together six connections to a server. */
  readonly #connect = (): void => {
    const view = this.#view;
    this.#source?.close();
    this.#source = undefined;
    if (document.hidden || view === undefined) return;
    // The browser itself connects again after a break, and names the last event that it had.
    const source = new EventSource(`${this.#path}/events?after=${view.sequence}`);
    this.#source = source;
    source.onopen = () => this.#onConnection('live');
    source.onerror = () => this.#onConnection('lost');
    source.onmessage = ({ data }: MessageEvent<string>) => {
      applyEvent(view, JSON.parse(data) as RunEvent);
      this.#drawSoon(view);
    };
  };

  #drawSoon(view: RunView): void {
    if (this.#drawing) return;
    this.#drawing = true;
    setTimeout(() => {
      requestAnimationFrame(() => {
        this.#drawing = false;
        if (!this.#closed) this.#draw(view);
      });
    }, DRAW_INTERVAL_MS);
  }
}
