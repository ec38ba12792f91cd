import { ConfigError } from '../errors.js';
import { oneLine } from '../text.js';
import type { RunDocument } from './run-document.js';
import { isYamlMap, parseYaml, type Path, type Yaml, type YamlMap } from './yaml.js';

/** Two ways to say how long to train, or what: setting one takes back what the file says by the other. */
const RIVALS: Readonly<Record<string, string>> = {
  max_steps: 'epochs',
  epochs: 'max_steps',
  adapter: 'lora',
  lora: 'adapter',
};

/**
 * Applies `--set KEY=VALUE` arguments, in order; they win over the file. VALUE is YAML. KEY is a key of the top
 * (`beta`), of a map (`data.train`) or of a stage (`stages.0.beta`). A key of the top holds for every stage: stages of
 * the file that have the key lose it. `max_steps` (unless null) takes the file's `epochs` away where it applies, and the
 * reverse; so do `adapter` and `lora`.
 *
 * @throws ConfigError for an argument that cannot be applied. Whether its key and value make sense is checked later.
 */
export function applyOverrides(document: RunDocument, set: readonly string[]): void {
  for (const assignment of set) {
    const equals = assignment.indexOf('=');
    const key = assignment.slice(0, equals);
    if (equals < 1)
      throw new ConfigError(`--set ${oneLine(assignment)}: must be KEY=VALUE, such as beta=0.1`);
    const { value, problems } = parseYaml(assignment.slice(equals + 1));
    if (problems.length > 0) throw new ConfigError(`--set ${oneLine(`${key}: ${problems[0]!.message}`)}`);
    applyOverride(document, key, value);
  }
}

function applyOverride(document: RunDocument, key: string, value: Yaml): void {
  const path = key.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  let parent: Yaml = document.values;
  path.slice(0, -1).forEach((part, depth) => {
    if (part !== 'stages' && isYamlMap(parent) && !(part in parent)) {
      parent[part] = Object.create(null) as YamlMap;
      document.markSet(path.slice(0, depth + 1), key);
    }
    parent = childOf(parent, part, key);
  });
  const last = path.at(-1)!;
  if (!isYamlMap(parent)) childOf(parent, last, key);
  Reflect.set(parent as object, last, value);
  document.markSet(path, key);
  if (path[0] !== 'stages') removeFromStages(document, path);
  if (value !== null) removeRival(document, path);
}

/** A list takes only indices that it has; anything but a list or a map has nothing in it. */
function childOf(parent: Yaml, part: string | number, key: string): Yaml {
  const child = typeof parent === 'object' && parent !== null ? (parent as YamlMap)[part] : undefined;
  if (child !== undefined && (isYamlMap(parent) || typeof part === 'number')) return child;
  const what = Array.isArray(parent)
    ? `list item ${part}; it has ${parent.length}, counted from 0`
    : `"${part}" to set`;
  throw new ConfigError(`--set ${oneLine(`${key}: there is no ${what}`)}`);
}

/** Takes the value at `path` out of the stages, so that the one at the top holds for them. */
function removeFromStages(document: RunDocument, path: Path): void {
  stagesOf(document).forEach((_, index) => removeFromFile(document, ['stages', index, ...path]));
}

function removeRival(document: RunDocument, path: Path): void {
  const rival = RIVALS[path.at(-1)!];
  if (rival === undefined) return;
  const rivalPath = [...path.slice(0, -1), rival];
  removeFromFile(document, rivalPath);
  if (path.length === 1) removeFromStages(document, rivalPath);
}

/** What another `--set` wrote stays: if the two do not go together, the user must hear of it. */
function removeFromFile(document: RunDocument, path: Path): void {
  if (document.isSet(path)) return;
  let parent: Yaml | undefined = document.values;
  for (const part of path.slice(0, -1)) parent = (parent as YamlMap | undefined)?.[part];
  if (isYamlMap(parent)) Reflect.deleteProperty(parent, path.at(-1)!);
}

function stagesOf(document: RunDocument): readonly Yaml[] {
  const { stages } = document.values;
  return Array.isArray(stages) ? stages : [];
}
