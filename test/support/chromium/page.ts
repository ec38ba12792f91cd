import { setTimeout as delay } from 'node:timers/promises';
import type { PipeConnection } from './pipe-connection.js';

export interface Viewport {
  readonly width: number;
  readonly height: number;
  readonly scheme?: 'light' | 'dark';
  /** Pixels for each CSS pixel. */
  readonly scale?: number;
}

interface Evaluated {
  readonly result: { readonly value: unknown };
  readonly exceptionDetails?: {
    readonly text: string;
    readonly exception?: { readonly description?: string };
  };
}

/** A tab. */
export class Page {
  /** What the page's scripts or its security policy complained of. */
  readonly complaints: string[] = [];

  constructor(
    private readonly connection: PipeConnection,
    private readonly sessionId: string,
  ) {}

  async begin({ width, height, scheme = 'light', scale = 1 }: Viewport): Promise<void> {
    const complain = (text: string) => this.complaints.push(text);
    this.#on('Runtime.exceptionThrown', ({ exceptionDetails }: { exceptionDetails: object }) =>
      complain(JSON.stringify(exceptionDetails)),
    );
    this.#on('Log.entryAdded', ({ entry }: { entry: { level: string; text: string; url?: string } }) => {
      if (entry.level === 'error' || entry.level === 'warning') complain(`${entry.text} ${entry.url ?? ''}`);
    });
    await this.#send('Runtime.enable');
    await this.#send('Log.enable');
    await this.#send('Page.enable');
    await this.#send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: scale,
      mobile: false,
    });
    await this.#send('Emulation.setEmulatedMedia', {
      features: [
        { name: 'prefers-color-scheme', value: scheme },
        { name: 'prefers-reduced-motion', value: 'reduce' },
      ],
    });
  }

  async goto(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => this.#on('Page.loadEventFired', () => resolve()));
    await this.#send('Page.navigate', { url });
    await loaded;
  }

  async close(): Promise<void> {
    await this.#send('Page.close');
  }

  /** The value of a JavaScript expression, which must be JSON; a promise is awaited. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = await this.#send<Evaluated>('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) {
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    }
    return result.value as Value;
  }

  /** Asks the page again and again until the expression is true. */
  async waitFor(expression: string, timeoutMs = 20_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!(await this.evaluate<boolean>(`Boolean(${expression})`))) {
      if (Date.now() > deadline) {
        const text = await this.evaluate<string>('document.body.innerText');
        throw new Error(
          `waited ${timeoutMs} ms in vain for ${expression}; ${this.complaints.join('; ')}\n${text}`,
        );
      }
      await delay(30);
    }
  }

  /** The text that a reader sees in the first element that fits. */
  text(selector: string): Promise<string> {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)}).innerText`);
  }

  /** Waits until what has changed is drawn. */
  async settle(): Promise<void> {
    await this.evaluate(
      'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))',
    );
  }

  async pressEnter(): Promise<void> {
    const key = { key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13, text: '\r' };
    for (const type of ['keyDown', 'keyUp']) await this.#send('Input.dispatchKeyEvent', { type, ...key });
  }

  /** A PNG of the whole page, or of what is in the window. */
  async screenshot({ whole = true } = {}): Promise<Buffer> {
    const { data } = await this.#send<{ data: string }>('Page.captureScreenshot', {
      format: 'png',
      captureBeyondViewport: whole,
      ...(whole ? { clip: await this.#wholePage() } : {}),
    });
    return Buffer.from(data, 'base64');
  }

  async #wholePage() {
    const size = await this.evaluate<{ width: number; height: number }>(
      '({ width: document.documentElement.scrollWidth, height: document.documentElement.scrollHeight })',
    );
    return { x: 0, y: 0, ...size, scale: 1 };
  }

  #on(method: string, listener: (params: never) => void): void {
    this.connection.on(this.sessionId, method, listener);
  }

  #send<Result = unknown>(method: string, params: object = {}): Promise<Result> {
    return this.connection.send<Result>(method, params, this.sessionId);
  }
}
