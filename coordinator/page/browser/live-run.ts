import type { RunEvent } from '../view/events.js';
import { applyEvent, type RunView } from '../view/run-view.js';

export type Connection = 'live' | 'lost';

/** At most so often a run is drawn, however fast its steps are. */
const DRAW_INTERVAL_MS = 200;

/** Follows a run: its history at once, then its events. */
export class LiveRun {
  readonly #draw: (view: RunView) => void;
  #source: EventSource | undefined;
  #drawing = false;
  #closed = false;

  /**
   * @param draw is called with a view that has changed, when the page is visible
   * @param onConnection is called when the stream comes or goes
   */
  constructor(draw: (view: RunView) => void) {
    this.#draw = draw;
  }

  /** Throws where the server does not know the run, or does not answer. */
  async start(id: string, onConnection: (connection: Connection) => void): Promise<void> {
    const path = `/api/runs/${encodeURIComponent(id)}`;
    const response = await fetch(path);
    if (response.status === 404) throw new Error(`There is no run ${id}.`);
    if (!response.ok) throw new Error(`The coordinator answered ${response.status}.`);
    const view = (await response.json()) as RunView;
    if (this.#closed) return;
    this.#draw(view);
    // The browser itself connects again after a break, and names the last event that it had.
    const source = new EventSource(`${path}/events?after=${view.sequence}`);
    this.#source = source;
    source.onopen = () => onConnection('live');
    source.onerror = () => onConnection('lost');
    source.onmessage = ({ data }: MessageEvent<string>) => {
      applyEvent(view, JSON.parse(data) as RunEvent);
      this.#drawSoon(view);
    };
  }

  close(): void {
    this.#closed = true;
    this.#source?.close();
  }

  #drawSoon(view: RunView): void {
    if (this.#drawing) return;
    this.#drawing = true;
    setTimeout(() => {
      // A page that nobody sees gets no animation frame, and so is not drawn.
      requestAnimationFrame(() => {
        this.#drawing = false;
        if (!this.#closed) this.#draw(view);
      });
    }, DRAW_INTERVAL_MS);
  }
}
