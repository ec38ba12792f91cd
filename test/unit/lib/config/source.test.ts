import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  explainBadSource,
  isPinned,
  isPinOf,
  isPlainName,
  isSource,
  parseSource,
  renderSource,
  type Source,
} from '../../../../lib/config/source.js';

const commit = '0123456789abcdef0123456789abcdef01234567';
const hub = { kind: 'hf', type: 'model', repository: 'Qwen/Qwen2.5-0.5B', revision: null, path: '' } as const;

test('sources are read as their own tools write them', () => {
  const sources: Readonly<Record<string, Source>> = {
    'hf:Qwen/Qwen2.5-0.5B': hub,
    'hf:Qwen/Qwen2.5-0.5B@v1.0': { ...hub, revision: 'v1.0' },
    'hf:Qwen/Qwen2.5-0.5B@refs%2Fpr%2F1/sub/folder': { ...hub, revision: 'refs/pr/1', path: 'sub/folder' },
    'hf:datasets/me/feedback/data/train.jsonl': {
      ...hub,
      type: 'dataset',
      repository: 'me/feedback',
      path: 'data/train.jsonl',
    },
    's3://bucket/models/tiny': { kind: 's3', bucket: 'bucket', key: 'models/tiny', etags: null },
  };
  for (const [text, source] of Object.entries(sources)) {
    assert.deepEqual(parseSource(text), source);
    assert.equal(renderSource(source), text);
  }
  assert.deepEqual(parseSource('s3://bucket/models/tiny/'), sources['s3://bucket/models/tiny']);
});

test('what is no source is a path, and a bad source is refused with what it should be', () => {
  for (const path of ['/models/tiny', 'models/hf:x', './hf:owner/name', 'base', '']) {
    assert.equal(isSource(path), false);
    assert.equal(parseSource(path), null);
    assert.equal(explainBadSource(path), null);
  }
  for (const bad of [
    'hf:gpt2',
    'hf://owner/name',
    'hf:owner/name@',
    'hf:owner/name@%zz',
    'hf:../name',
    'hf:owner/..',
    'hf:owner/name/../../etc',
    'hf:owner/name//file',
    'hf:owner/na me',
    'hf:owner/name/a\nb',
  ]) {
    assert.match(explainBadSource(bad) ?? '', /^hf:OWNER\/NAME/, bad);
  }
  for (const bad of ['s3:bucket/key', 's3://bucket', 's3://bucket/', 's3://Bucket/key', 's3://bucket/a/..']) {
    assert.match(explainBadSource(bad) ?? '', /^s3:/, bad);
  }
});

test('a pin is of the source that it was made of, and of no other', () => {
  const asked = parseSource('hf:me/tiny@main')!;
  const pinned = parseSource(`hf:me/tiny@${commit}`)!;
  assert.deepEqual([isPinned(asked), isPinned(pinned)], [false, true]);
  assert.ok(isPinOf(pinned, asked) && isPinOf(pinned, pinned));
  assert.ok(!isPinOf(pinned, parseSource('hf:me/other')!));
  assert.ok(!isPinOf(pinned, parseSource(`hf:me/tiny@${commit.replace('0', '1')}`)!));
  const object = parseSource(`s3://bucket/rows.jsonl@etags-${'a'.repeat(64)}`)!;
  assert.ok(isPinned(object) && isPinOf(object, parseSource('s3://bucket/rows.jsonl')!));
  assert.ok(!isPinOf(object, asked));
});

test('any text is a path, a bad source, or a source whose parts lead nowhere else and that is written as it was', () => {
  const part = fc.constantFrom(
    'hf:',
    's3://',
    'datasets/',
    'a/b',
    '@',
    '/',
    '..',
    '.',
    '%2F',
    'x',
    '\0',
    ' ',
    '@etags-',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(text, (any) => {
      if (explainBadSource(any) !== null) {
        assert.throws(() => parseSource(any));
        return;
      }
      const source = parseSource(any);
      assert.equal(source !== null, isSource(any));
      if (source === null) return;
      const names =
        source.kind === 's3' ? [source.key.split('/').at(-1)!] : source.path.split('/').filter(Boolean);
      assert.ok(names.every(isPlainName));
      assert.deepEqual(parseSource(renderSource(source)), source);
    }),
    { numRuns: 2000 },
  );
});
