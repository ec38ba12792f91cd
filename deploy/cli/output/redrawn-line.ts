import type { Output } from './terminal.js';

const clearLine = '\r\u001b[2K';

/** Often enough for the eye; a history that is told again has thousands of states in a second. */
const redrawIntervalMs = 50;

/** A line at the bottom of a terminal that changes, with whole lines above it. */
export class RedrawnLine {
  /** What stands there; empty for nothing. */
  private drawn = '';
  private drawnAtMs = -Infinity;
  /** What should stand there next, and when it is drawn. */
  private next: (() => string) | null = null;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly output: Output) {}

  /** One column stays free: a full line would wrap in some terminals. */
  columns(): number {
    return this.output.columns() - 1;
  }

  /** Draws the line soon, unless it has changed again by then. */
  draw(text: () => string): void {
    this.next = text;
    const waitMs = this.drawnAtMs + redrawIntervalMs - Date.now();
    if (waitMs <= 0) this.flush();
    else this.timer ??= setTimeout(() => this.flush(), waitMs);
  }

  /** A whole line above it. */
  above(text: string): void {
    if (this.drawn === '') {
      this.output.line(text);
      return;
    }
    this.output.line(`${clearLine}${text}`);
    this.output.write(this.drawn);
  }

  /** Leaves the last state on the screen and goes on below it. */
  end(): void {
    this.flush();
    if (this.drawn !== '') this.output.write('\n');
    this.drawn = '';
    this.drawnAtMs = -Infinity;
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.next === null) return;
    this.drawn = this.next();
    this.next = null;
    this.drawnAtMs = Date.now();
    this.output.write(`${clearLine}${this.drawn}`);
  }
}
