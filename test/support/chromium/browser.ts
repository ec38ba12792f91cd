import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PipeConnection } from './pipe-connection.js';
import { Page, type Viewport } from './page.js';

/** Where Debian and its like put it. */
const programs = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export function findChromium(): string | undefined {
  return [process.env['CHROMIUM'], ...programs].find((file) => file !== undefined && existsSync(file));
}

/** A headless Chromium with a profile of its own, spoken to over a pipe: no port, nothing left behind. */
export class Browser {
  private constructor(
    private readonly process: ChildProcess,
    private readonly connection: PipeConnection,
    private readonly profile: string,
  ) {}

  static async start(program: string): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), 'prospect-chromium-'));
    const flags = [
      '--headless=new',
      '--remote-debugging-pipe',
      `--user-data-dir=${profile}`,
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--disable-extensions',
      '--disable-component-update',
      '--disable-background-networking',
      '--hide-scrollbars',
      '--force-color-profile=srgb',
      'about:blank',
    ];
    const child = spawn(program, flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    return new Browser(child, new PipeConnection(child), profile);
  }

  /** A tab of its own; `viewport` in CSS pixels. */
  async open(url: string, viewport: Viewport): Promise<Page> {
    const { targetId } = await this.connection.send<{ targetId: string }>('Target.createTarget', {
      url: 'about:blank',
    });
    const { sessionId } = await this.connection.send<{ sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    });
    const page = new Page(this.connection, sessionId);
    await page.begin(viewport);
    await page.goto(url);
    return page;
  }

  async close(): Promise<void> {
    const exited = once(this.process, 'exit');
    await this.connection.send('Browser.close', {});
    await exited;
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
