import { parentPort, Worker } from 'node:worker_threads';
import { ConfigError, messageOf, RunError } from '../../lib/errors.js';
import { endRecordedStep, recorded } from '../../lib/profile/recorder.js';

/**
 * An engine lives on a compute thread, where its calls may block for seconds; the main thread, where heartbeats and
 * sockets live, calls it through an EngineThread.
 */
export interface Engine {
  /** Frees what it holds outside JavaScript's heap. */
  dispose(): void;
}

type EngineMethod = (...args: never[]) => unknown;
type MethodName<E> = { [Name in keyof E]: E[Name] extends EngineMethod ? Name : never }[keyof E] & string;
type Arguments<Method> = Method extends (...args: infer Args) => unknown ? Args : never;
type Result<Method> = Method extends (...args: never[]) => infer Value ? Value : never;

interface Call {
  readonly id: number;
  /** A method of the engine; null to open one. */
  readonly method: string | null;
  readonly args: readonly unknown[];
}

/** What an engine tells while it works on a call. */
interface Notice {
  readonly id: number;
  readonly event: unknown;
}

type Answer =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: PlainError };

/** Class instances do not survive a message; the user errors among them are made again on the other side. */
interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

function toPlain(error: unknown): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), stack: undefined };
  return { name: error.name, message: error.message, stack: error.stack };
}

function fromPlain({ name, message, stack }: PlainError): Error {
  const kinds: Record<string, typeof ConfigError | typeof RunError> = { ConfigError, RunError };
  const error = new (kinds[name] ?? Error)(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/**
 * Thread side: opens an engine when asked to, in place of the one before, and answers calls to it one after the other.
 * What the engine emits goes to the listener of the call that it works on.
 *
 * @param lastOfStep the method that is called last in each step
 */
export function serveEngine(
  open: (options: never, emit: (event: unknown) => void) => Engine,
  lastOfStep: string | null = null,
): void {
  const port = parentPort;
  if (port === null) throw new Error('serveEngine runs on a worker thread only');
  let engine: Engine | null = null;
  let current = -1;
  const emit = (event: unknown) => port.postMessage({ id: current, event } satisfies Notice);
  const call = (method: string | null, args: readonly unknown[]): unknown => {
    if (method === null) {
      engine?.dispose();
      // Where the next one does not open, there is none.
      engine = null;
      // EngineThread.open has checked the type on the other side.
      engine = open(args[0] as never, emit);
      return undefined;
    }
    if (engine === null) throw new Error(`${method} was called before an engine was opened`);
    return (Reflect.get(engine, method) as (...values: readonly unknown[]) => unknown).apply(engine, [
      ...args,
    ]);
  };
  port.on('message', ({ id, method, args }: Call) => {
    let answer: Answer;
    current = id;
    try {
      answer = { id, ok: true, value: recorded(method ?? 'open', () => call(method, args)) };
      if (method !== null && method === lastOfStep) endRecordedStep();
    } catch (error) {
      answer = { id, ok: false, error: toPlain(error) };
    }
    port.postMessage(answer);
  });
}

/** The compute thread has ended, or was ended: nothing can be computed by it any more. */
export class ComputeThreadEnded extends Error {}

interface Pending {
  readonly onEvent: ((event: unknown) => void) | null;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Main-thread side of an engine that runs on a thread of its own, and emits `Event`s while it works on a call. */
export class EngineThread<Options, E extends Engine, Event = never> {
  private readonly thread: Worker;
  private readonly pending = new Map<number, Pending>();
  private nextId = 0;
  private ended: ComputeThreadEnded | null = null;
  private tellEnded!: (reason: ComputeThreadEnded) => void;
  /** Resolves with the reason when the thread ends, by itself or because it is told to. */
  readonly end = new Promise<ComputeThreadEnded>((resolve) => (this.tellEnded = resolve));

  /**
   * @param entry the module that calls `serveEngine`
   * @param workerData that the module reads when it starts
   */
  constructor(entry: URL, workerData?: unknown) {
    this.thread = new Worker(entry, { workerData });
    this.thread.on('message', (message: Answer | Notice) => {
      if ('event' in message) this.pending.get(message.id)?.onEvent?.(message.event);
      else this.settle(message);
    });
    this.thread.on('error', (error) => this.fail(`failed: ${messageOf(error)}`, error));
    this.thread.on('exit', (code) => this.fail(`ended with code ${code}`));
  }

  /** Opens the engine, in place of the one before. */
  async open(options: Options): Promise<void> {
    await this.send(null, [options]);
  }

  /** Calls a method of the open engine. SharedArrayBuffers are shared, all else is copied. */
  call<Name extends MethodName<E>>(method: Name, ...args: Arguments<E[Name]>): Promise<Result<E[Name]>> {
    return this.send(method, args) as Promise<Result<E[Name]>>;
  }

  /** As `call`. `onEvent` gets what the engine emits meanwhile: all of it before the call resolves. */
  listen<Name extends MethodName<E>>(
    onEvent: (event: Event) => void,
    method: Name,
    ...args: Arguments<E[Name]>
  ): Promise<Result<E[Name]>> {
    return this.send(method, args, onEvent as Pending['onEvent']) as Promise<Result<E[Name]>>;
  }

  /** Ends the thread; calls that are still pending reject. Waits for a TensorFlow op in progress. */
  async terminate(): Promise<void> {
    await this.thread.terminate();
  }

  private send(
    method: string | null,
    args: readonly unknown[],
    onEvent: Pending['onEvent'] = null,
  ): Promise<unknown> {
    if (this.ended !== null) return Promise.reject(this.ended);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject, onEvent });
      this.thread.postMessage({ id, method, args } satisfies Call);
    });
  }

  private settle(answer: Answer): void {
    const caller = this.pending.get(answer.id);
    this.pending.delete(answer.id);
    if (answer.ok) caller?.resolve(answer.value);
    else caller?.reject(fromPlain(answer.error));
  }

  private fail(how: string, cause?: Error): void {
    this.ended ??= new ComputeThreadEnded(`the compute thread ${how}`, { cause });
    this.tellEnded(this.ended);
    for (const { reject } of this.pending.values()) reject(this.ended);
    this.pending.clear();
  }
}
