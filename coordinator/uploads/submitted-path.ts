import { basename, isAbsolute, resolve } from 'node:path';
import { ConfigError } from '../../lib/errors.js';
import { quote } from '../../lib/text.js';
import { v1 } from '../../proto/services.js';
import { requireSha256 } from './upload.js';

/** A path of the submitting machine, and the content that stands for it. */
export interface SubmittedPath {
  /** Absolute, as the run file says it. */
  readonly path: string;
  readonly kind: 'file' | 'directory';
  /** By name; a file's own has none. */
  readonly files: readonly SubmittedFile[];
}

export interface SubmittedFile {
  readonly name: string;
  readonly sha256: string;
}

const MAX_FILES = 10_000;
/** What file systems take, in bytes of UTF-8. */
const MAX_NAME_BYTES = 255;

/** @throws ConfigError for names that are none, or would lead elsewhere */
export function requireSubmittedPath(message: v1.UploadedPath.$Properties): SubmittedPath {
  const { path, files: messages } = v1.UploadedPath.create(message);
  requirePath(path);
  if (messages.length === 0 || messages.length > MAX_FILES)
    throw new ConfigError(
      `${quote(path)} must have between 1 and ${MAX_FILES} files, not ${messages.length}`,
    );
  const files = messages.map((file) => v1.UploadedFile.create(file));
  const kind = files.length === 1 && files[0]!.name === '' ? 'file' : 'directory';
  if (kind === 'directory')
    requireNames(
      path,
      files.map(({ name }) => name),
    );
  return {
    path,
    kind,
    files: files
      .map(({ name, sha256 }) => ({ name, sha256: requireSha256(sha256) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function requirePath(path: string): void {
  if (!path.includes('\0') && isAbsolute(path) && resolve(path) === path && isName(basename(path))) return;
  throw new ConfigError(`the uploaded path ${quote(path)} must be absolute, and name a file or a directory`);
}

function requireNames(path: string, names: readonly string[]): void {
  const bad = names.find((name) => !isName(name) || name.startsWith('.'));
  if (bad !== undefined) {
    throw new ConfigError(
      `${quote(path)}: ${quote(bad)} cannot be the name of an uploaded file: ` +
        `it must have 1 to ${MAX_NAME_BYTES} bytes, without a slash, and no dot at its start`,
    );
  }
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new ConfigError(`${quote(path)} has two files ${quote(name)}`);
    seen.add(name);
  }
}

/** One that stays where it is put. */
function isName(name: string): boolean {
  const isSafe = !/[/\0]/.test(name) && name !== '.' && name !== '..';
  return isSafe && name !== '' && Buffer.byteLength(name) <= MAX_NAME_BYTES;
}
