import { ConfigError } from '../errors.js';
import { oneLine } from '../text.js';
import { isYamlMap, parseYaml, type Path, type YamlMap } from './yaml.js';

/** Who wrote a value: a line of the file, or a `--set KEY=…`. */
type Origin = { readonly line: number } | { readonly set: string };

const MAX_SHOWN = 50;

/** As `--set` writes it: `stages.0.beta`. */
const keyOf = (path: Path) => path.join('.');

const prefix = (path: Path) => (path.length > 0 ? `${oneLine(keyOf(path))}: ` : '');

/**
 * The values of a run file, who wrote each, and what is wrong with them. Problems are collected, so that the user learns
 * of all of them at once.
 */
export class RunDocument {
  readonly values: YamlMap;
  /** Keys of the file behind which nothing stands. */
  readonly empty: readonly Path[];
  private readonly origins = new Map<string, Origin>();
  /** Text → line, behind all lines for `--set`. A wrong value at the top may be met once for each stage, and is said once. */
  private readonly problems = new Map<string, number>();

  constructor(
    text: string,
    private readonly file: string,
  ) {
    const { value, places, empty, problems } = parseYaml(text);
    this.empty = empty;
    for (const { path, line } of places) this.origins.set(JSON.stringify(path), { line });
    for (const { path, line, message } of problems) this.addAt(line, path, message);
    this.throwProblems();
    if (!isYamlMap(value))
      throw new ConfigError(`${file}:1: must hold keys and values, such as "method: kto"`);
    this.values = value;
  }

  /** Notes that `--set KEY` wrote the value at `path`, and all that is in it. */
  markSet(path: Path, key: string): void {
    const own = JSON.stringify(path);
    for (const other of this.origins.keys()) {
      if (other.startsWith(`${own.slice(0, -1)},`)) this.origins.delete(other);
    }
    this.origins.set(own, { set: key });
  }

  /** Whether a `--set` wrote the value at `path` itself. */
  isSet(path: Path): boolean {
    const origin = this.origins.get(JSON.stringify(path));
    return origin !== undefined && 'set' in origin;
  }

  /** Who wrote the value at `path`, or what it would stand in, for messages: `file:line: key` or `--set key`. */
  placeOf(path: Path): string {
    const origin = this.originOf(path);
    if ('set' in origin) return `--set ${oneLine(origin.set)}`;
    return `${this.file}:${origin.line}: ${oneLine(keyOf(path))}`;
  }

  /** Notes that the value at `path` is wrong, or missing there. */
  report(path: Path, message: string): void {
    const origin = this.originOf(path);
    if ('line' in origin) {
      this.addAt(origin.line, path, message);
    } else {
      const inside = keyOf(path) === origin.set ? '' : prefix(path);
      this.problems.set(`--set ${oneLine(origin.set)}: ${inside}${message}`, Infinity);
    }
  }

  /** @throws ConfigError with a line for each problem, in the order of the file. */
  throwProblems(): void {
    if (this.problems.size === 0) return;
    const texts = [...this.problems].sort(([, a], [, b]) => (a === b ? 0 : a - b)).map(([text]) => text);
    const hidden = texts.splice(MAX_SHOWN).length;
    if (hidden > 0) texts.push(`and ${hidden} more`);
    throw new ConfigError(texts.join('\n'));
  }

  private addAt(line: number, path: Path, message: string): void {
    this.problems.set(`${this.file}:${line}: ${prefix(path)}${message}`, line);
  }

  /** Of the value at `path`, or else of what it would stand in. */
  private originOf(path: Path): Origin {
    const own = this.origins.get(JSON.stringify(path));
    if (own !== undefined || path.length === 0) return own ?? { line: 1 };
    return this.originOf(path.slice(0, -1));
  }
}
