import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Logger } from '../../../lib/log.js';
import { ApiError } from './api-error.js';
import type { KubernetesApi, Resource, WatchLine } from './kubernetes-api.js';
import { read, readList, type ClusterObject } from './objects.js';

export interface Selection<Item> {
  readonly resource: Resource;
  readonly schema: z.ZodType<Item>;
  readonly labelSelector: string;
}

/** Objects of one kind as they are now, or were a moment ago: listed, then watched, and listed again where need be. */
export class Followed<Item extends ClusterObject> {
  readonly #api: KubernetesApi;
  readonly #selection: Selection<Item>;
  readonly #log: Logger;
  readonly #pauseMs: number;
  readonly #end = new AbortController();
  readonly #onChange: () => void;
  /** By uid; null before the first list. */
  #items: Map<string, Item> | null = null;
  #stopped: Promise<void> = Promise.resolve();

  /**
   * @param options.pauseMs between a watch that ended, or failed, and the next one
   * @param options.onChange called after every change, also after the first list
   */
  constructor(
    api: KubernetesApi,
    selection: Selection<Item>,
    {
      log,
      pauseMs,
      onChange,
    }: { readonly log: Logger; readonly pauseMs: number; readonly onChange: () => void },
  ) {
    this.#api = api;
    this.#selection = selection;
    this.#log = log;
    this.#pauseMs = pauseMs;
    this.#onChange = onChange;
  }

  /** `onFailed` is called where following ends by an error that no later try would mend. */
  start(onFailed: (error: unknown) => void): this {
    this.#stopped = this.#follow().catch((error: unknown) => {
      if (!this.#isOver) onFailed(error);
    });
    return this;
  }

  /** Null before the first list. */
  get items(): readonly Item[] | null {
    return this.#items === null ? null : [...this.#items.values()];
  }

  /** Takes over what was just written, which the watch will show in a moment. */
  put(item: Item): void {
    this.#items?.set(item.metadata.uid, item);
  }

  /** Resolves once nothing is called any more. */
  async stop(): Promise<void> {
    this.#end.abort();
    await this.#stopped;
  }

  get #isOver(): boolean {
    return this.#end.signal.aborted;
  }

  async #follow(): Promise<void> {
    let version = '';
    while (!this.#isOver) {
      version = await this.#proceed(version);
      await delay(this.#pauseMs, undefined, { signal: this.#end.signal }).catch(() => undefined);
    }
  }

  /** The version to go on from; empty where only a list can tell. */
  async #proceed(version: string): Promise<string> {
    try {
      return await this.#watch(version === '' ? await this.#list() : version);
    } catch (error) {
      if (this.#isOver) return '';
      if (!(error instanceof ApiError && error.isTransient)) throw error;
      const { plural } = this.#selection.resource;
      if (!error.isExpired)
        this.#log.warn({ reason: error.message }, `cannot follow ${plural}: trying again`);
      return '';
    }
  }

  async #list(): Promise<string> {
    const { resource, schema, labelSelector } = this.#selection;
    const { items, resourceVersion } = readList(schema, await this.#api.list(resource, labelSelector));
    if (this.#isOver) return resourceVersion;
    this.#items = new Map(items.map((item) => [item.metadata.uid, item]));
    this.#onChange();
    return resourceVersion;
  }

  async #watch(resourceVersion: string): Promise<string> {
    const { resource, labelSelector } = this.#selection;
    let version = resourceVersion;
    const take = (line: WatchLine) => {
      if (!this.#isOver) version = this.#take(line);
    };
    await this.#api.watch(resource, { labelSelector, resourceVersion }, take, this.#end.signal);
    return version;
  }

  #take({ type, object }: WatchLine): string {
    if (type === 'ERROR') throw errorOf(object);
    if (type === 'BOOKMARK') return read(bookmarkSchema, object).metadata.resourceVersion;
    const item = read(this.#selection.schema, object);
    const { uid, resourceVersion } = item.metadata;
    if (type === 'DELETED') this.#items?.delete(uid);
    else this.#items?.set(uid, item);
    this.#onChange();
    return resourceVersion;
  }
}

const bookmarkSchema = z.looseObject({ metadata: z.looseObject({ resourceVersion: z.string() }) });

const statusSchema = z.looseObject({ code: z.int().optional(), message: z.string().optional() });

/** In the middle of a watch, where the history is gone or the server cannot go on, a Status stands in an object's place. */
function errorOf(object: unknown): ApiError {
  const { code = 0, message = 'the watch has failed' } = read(statusSchema, object);
  return new ApiError(code, message);
}
