/**
 * Where models and data are fetched from that lie on no disk yet. A run file writes it in the place of a path:
 *
 *     hf:OWNER/NAME[@REVISION][/PATH]            a model repository of the Hugging Face Hub, or a file or folder of it
 *     hf:datasets/OWNER/NAME[@REVISION]/PATH     a file of a dataset repository
 *     s3://BUCKET/KEY[@etags-SHA256]             an object, or the objects directly under a prefix
 *
 * as Hugging Face's and Amazon's own tools write them. What stands behind the @ pins the content: it is added when a run is
 * submitted. (A folder of such a name is written with ./ before it.)
 */
export type Source = HubSource | S3Source;

export interface HubSource {
  readonly kind: 'hf';
  readonly type: 'model' | 'dataset';
  /** `OWNER/NAME` */
  readonly repository: string;
  /** Branch, tag or commit; null for the main branch. */
  readonly revision: string | null;
  /** Within the repository; empty for all of it. */
  readonly path: string;
}

export interface S3Source {
  readonly kind: 's3';
  readonly bucket: string;
  /** Without a slash at its end. */
  readonly key: string;
  /** SHA-256, in hex, of names, sizes and ETags of the objects; null for those that are there. */
  readonly etags: string | null;
}

const HUB = /^hf:(datasets\/)?([\w.-]+\/[\w.-]+)(?:@([^@/]+))?(?:\/(.+))?$/;
const S3 = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(.+?)\/?(?:@etags-([0-9a-f]{64}))?$/;
const COMMIT = /^[0-9a-f]{40}$/;

/** Whether a text is meant as a source, sound or not. */
export function isSource(text: string): boolean {
  return text.startsWith('hf:') || text.startsWith('s3:');
}

/** What is wrong with it, as the end of "must be …"; null for a path, or a sound source. */
export function explainBadSource(text: string): string | null {
  if (!isSource(text) || readSource(text) !== null) return null;
  return text.startsWith('hf:')
    ? 'hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:datasets/OWNER/NAME/PATH'
    : 's3://BUCKET/KEY';
}

/** Null for a path. @throws Error for what `explainBadSource` refuses */
export function parseSource(text: string): Source | null {
  if (!isSource(text)) return null;
  const source = readSource(text);
  if (source === null) throw new Error(`no source: ${text}`);
  return source;
}

function readSource(text: string): Source | null {
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text)) return null;
  const [, datasets, repository, revision, path = ''] = HUB.exec(text) ?? [];
  if (repository !== undefined) {
    const parts = [...repository.split('/'), ...(path === '' ? [] : path.split('/'))];
    const decoded = revision === undefined ? null : decode(revision);
    if (!parts.every(isPlainName) || decoded === '') return null;
    const type = datasets === undefined ? 'model' : 'dataset';
    return { kind: 'hf', type, repository, revision: decoded, path };
  }
  const [, bucket, key, etags = null] = S3.exec(text) ?? [];
  if (bucket === undefined || key === undefined || !isPlainName(key.split('/').at(-1)!)) return null;
  return { kind: 's3', bucket, key, etags };
}

/** A revision may hold a slash, which is written as %2F. Empty for one that is written badly. */
function decode(revision: string): string {
  try {
    return decodeURIComponent(revision);
  } catch {
    return '';
  }
}

/** Whether a name can be that of a file which stays where it is put, and is seen. */
export function isPlainName(name: string): boolean {
  return /^[^./\0][^/\0]*$/.test(name) && Buffer.byteLength(name) <= 255;
}

export function renderSource(source: Source): string {
  if (source.kind === 's3') {
    const etags = source.etags === null ? '' : `@etags-${source.etags}`;
    return `s3://${source.bucket}/${source.key}${etags}`;
  }
  const revision = source.revision === null ? '' : `@${encodeURIComponent(source.revision)}`;
  const path = source.path === '' ? '' : `/${source.path}`;
  return `hf:${source.type === 'dataset' ? 'datasets/' : ''}${source.repository}${revision}${path}`;
}

/** Whether it means the same content for ever. */
export function isPinned(source: Source): boolean {
  return source.kind === 's3' ? source.etags !== null : COMMIT.test(source.revision ?? '');
}

/** Whether a pinned source may have come of another one: they differ in nothing but what pins it. */
export function isPinOf(pinned: Source, asked: Source): boolean {
  const [one, other] = isPinned(asked) ? [pinned, asked] : [unpinned(pinned), unpinned(asked)];
  return renderSource(one) === renderSource(other);
}

function unpinned(source: Source): Source {
  return source.kind === 's3' ? { ...source, etags: null } : { ...source, revision: null };
}
