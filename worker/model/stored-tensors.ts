import { ConfigError } from '../../lib/errors.js';
import type { Checkpoint } from '../../lib/safetensors/checkpoint.js';
import { isFloatDtype } from '../../lib/safetensors/dtype.js';
import { quote } from '../../lib/text.js';
import type { TensorSpec } from '../parameters/layout.js';

/** A parameter and what the file that it was read from calls it. */
export interface StoredTensor extends TensorSpec {
  readonly storedAs: string;
}

interface Search {
  /** The file or directory, for messages. */
  readonly where: string;
  /** The file that says which tensors there must be, for messages. */
  readonly config: string;
  /** What a file may call a parameter, the likeliest name first. */
  readonly namesOf: (name: string) => readonly string[];
}

/**
 * Finds each expected tensor in a file.
 *
 * @throws ConfigError if one is missing, has another shape, or holds no floats.
 */
export function findTensors(
  stored: Checkpoint['tensors'],
  expected: readonly TensorSpec[],
  { where, config, namesOf }: Search,
): StoredTensor[] {
  return expected.map(({ name, shape }) => {
    const storedAs = namesOf(name).find((candidate) => stored.has(candidate));
    if (storedAs === undefined) {
      throw new ConfigError(`${where}: tensor ${name} ${shapeText(shape)} is missing from its weights`);
    }
    const { shape: storedShape, dtype } = stored.get(storedAs)!;
    if (!isFloatDtype(dtype)) {
      throw new ConfigError(
        `${where}: tensor ${storedAs} is ${dtype}; weights are read from F32, BF16 and F16`,
      );
    }
    const found = shapeText(storedShape);
    if (found !== shapeText(shape)) {
      throw new ConfigError(
        `${where}: tensor ${storedAs} has shape ${found}, ${config} makes it ${shapeText(shape)}`,
      );
    }
    return { name, shape, storedAs };
  });
}

interface Rule {
  /** What the tensors found make up, for messages. */
  readonly whole: string;
  /** The file or directory, for messages. */
  readonly where: string;
  /** Whether a file may hold this tensor beside them. */
  readonly isAllowed: (name: string) => boolean;
}

/** @throws ConfigError if the file holds a tensor that was not looked for. */
export function refuseOthers(
  stored: Checkpoint['tensors'],
  found: readonly StoredTensor[],
  { whole, where, isAllowed }: Rule,
): void {
  const known = new Set(found.map(({ storedAs }) => storedAs));
  for (const { name, shape } of stored.values()) {
    if (known.has(name) || isAllowed(name)) continue;
    throw new ConfigError(`${where}: tensor ${quote(name)} ${shapeText(shape)} is no part of ${whole}`);
  }
}

function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
