import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

import { messageOf, RunError } from '../errors.js';
import { parseStrictJson } from '../safetensors/json.js';
import { oneLine } from '../text.js';

/**
 * A checkpoint is a directory: the parts of the training state, one file each, and this manifest, which is written last.
 * How many parts there are says nothing about how many workers may go on from it.
 */
export const MANIFEST_FILE = 'manifest.json';

const VERSION = 1;
/** Some 50 000 parts. */
const MAX_MANIFEST_BYTES = 16 * 2 ** 20;
/** Manifest → parts → part. */
const MANIFEST_DEPTH = 3;

const wholeNumber = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');

const partSchema = z.strictObject({
  /** A name in the same directory: a manifest from elsewhere must not reach other files of this machine. */
  file: z
    .string()
    .regex(
      /^\w[\w.-]{0,200}\.safetensors$/,
      'must be the name of a .safetensors file of the same directory, of letters, digits, "-", "_" and "."',
    ),
  /** Elements [start, end) of the flat parameter space; may be none. */
  start: wholeNumber,
  end: wholeNumber,
  /** Length of the file. */
  bytes: z.int().positive(),
  /** Of the file. */
  sha256,
});

const manifestSchema = z.strictObject({
  /** Of the format: another one is never read as this one. */
  version: z.literal(VERSION, `must be ${VERSION}, the only format that this version of Prospect reads`),
  stage: z.int().positive(),
  /** The committed step whose state this is. */
  step: wholeNumber,
  /** Steps up to it that changed the weights: the optimizer's exponent. */
  updates: wholeNumber,
  /** Elements of the flat parameter space. */
  size: z.int().positive(),
  /** One after the other, from the start of the space to its end. */
  parts: z.array(partSchema).min(1),
  writtenAt: z.iso.datetime(),
});

/** The manifest as its file holds it, with a checksum of all the rest. */
const sealedSchema = z.strictObject({ ...manifestSchema.shape, sha256 });

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestPart = z.infer<typeof partSchema>;

/**
 * The text of `manifest.json`. Parts may come in any order.
 *
 * @throws Error that says what is wrong with the manifest, without naming a directory.
 */
export function encodeManifest(content: Omit<Manifest, 'version'>): string {
  const manifest = checkShape(manifestSchema, { ...content, version: VERSION });
  manifest.parts.sort((a, b) => a.start - b.start || a.end - b.end);
  checkContent(manifest);
  return `${JSON.stringify({ ...manifest, sha256: checksum(manifest) }, null, 2)}\n`;
}

/**
 * @param path of the file, for the error
 * @throws RunError that names the file and what is wrong with it.
 */
export function parseManifest(bytes: Uint8Array, path: string): Manifest {
  try {
    const sealed = checkShape(sealedSchema, parseStrictJson(bytes, MANIFEST_DEPTH));
    const { sha256: expected, ...manifest } = sealed;
    checkContent(manifest);
    if (checksum(manifest) !== expected)
      throw new Error('is damaged: its contents do not match its checksum');
    return manifest;
  } catch (error) {
    throw new RunError(`${path}: ${messageOf(error)}`);
  }
}

/** Reads the manifest of a checkpoint. @throws RunError that names the file: missing, unreadable or not sound. */
export async function readManifest(directory: string): Promise<Manifest> {
  const path = join(directory, MANIFEST_FILE);
  return parseManifest(await readSmallFile(path), path);
}

async function readSmallFile(path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new Error('is not a regular file');
    if (found.size > MAX_MANIFEST_BYTES) throw new Error(`is larger than ${MAX_MANIFEST_BYTES} bytes`);
    return await readFile(path);
  } catch (error) {
    throw new RunError(`${path}: cannot be read (${messageOf(error)})`);
  }
}

function checkShape<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new Error(oneLine(['is no checkpoint manifest', path.join('.'), message].filter(Boolean).join(': ')));
}

/** What the schema cannot say: how the numbers go together. */
function checkContent({ step, updates, size, parts }: Manifest): void {
  if (updates > step) throw new Error(`has ${updates} updates in ${step} steps`);
  const names = new Set<string>();
  let covered = 0;
  for (const { file, start, end } of parts) {
    if (names.has(file)) throw new Error(`names ${file} twice`);
    names.add(file);
    if (end < start) throw new Error(`has a part ${file} that ends (${end}) before it starts (${start})`);
    if (start !== covered) {
      const what = start < covered ? 'overlaps the part before it' : 'leaves a gap before it';
      throw new Error(`has a part ${file} from element ${start} on, which ${what} (to ${covered})`);
    }
    covered = end;
  }
  if (covered !== size) throw new Error(`has parts of ${covered} elements in all, its size says ${size}`);
}

/** Of the values in a fixed order, so that it does not hang on how the JSON is written. */
function checksum({ version, stage, step, updates, size, parts, writtenAt }: Manifest): string {
  const values = [
    [version, stage, step, updates, size, writtenAt],
    ...parts.map((part) => [part.file, part.start, part.end, part.bytes, part.sha256]),
  ];
  return createHash('sha256').update(JSON.stringify(values)).digest('hex');
}
