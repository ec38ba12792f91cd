import assert from 'node:assert/strict';
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { encodeManifest, parseManifest, readManifest } from '../../../../lib/checkpoint/manifest.js';
import { RunError } from '../../../../lib/errors.js';
import { temporaryDirectory } from '../../../support/temporary-directory.js';

const part = (file: string, start: number, end: number) => ({
  file,
  start,
  end,
  bytes: 100 + end - start,
  sha256: 'ab'.repeat(32),
});
const content = {
  stage: 1,
  step: 20,
  updates: 19,
  size: 30,
  parts: [
    part('part-0-of-3.safetensors', 0, 10),
    part('part-1-of-3.safetensors', 10, 10),
    part('part-2-of-3.safetensors', 10, 30),
  ],
  writtenAt: '2026-01-02T03:04:05.678Z',
};
const PATH = 'somewhere/manifest.json';

const parseText = (text: string) => parseManifest(Buffer.from(text), PATH);

/** The error's message begins with the file's name and goes on with `what`. */
function refusal(what: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof RunError, String(error));
    assert.ok(error.message.startsWith(`${PATH}: `), error.message);
    assert.match(error.message, what);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  };
}

describe('the manifest of a checkpoint', () => {
  test('reads back what was written, with the parts in order', () => {
    const shuffled = { ...content, parts: [2, 1, 0].map((index) => content.parts[index]!) };
    assert.deepEqual(parseText(encodeManifest(shuffled)), { version: 1, ...content });
  });

  test('every flipped bit is refused, or changes nothing', () => {
    const bytes = Buffer.from(encodeManifest(content));
    const original = parseManifest(bytes, PATH);
    let refused = 0;
    for (let position = 0; position < bytes.length; position++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Buffer.from(bytes);
        damaged[position]! ^= 1 << bit;
        try {
          assert.deepEqual(parseManifest(damaged, PATH), original, `bit ${bit} of byte ${position}`);
        } catch (error) {
          assert.ok(error instanceof RunError, String(error));
          refused++;
        }
      }
    }
    assert.ok(refused > bytes.length * 7, `${refused} of ${bytes.length * 8} were refused`);
  });

  test('every shorter text is refused', () => {
    const text = encodeManifest(content).trimEnd();
    for (let length = 0; length < text.length; length++) {
      assert.throws(() => parseText(text.slice(0, length)), RunError);
    }
  });

  const sealed = () => JSON.parse(encodeManifest(content)) as Record<string, unknown>;
  const hostile: Record<string, [Record<string, unknown>, RegExp]> = {
    'another format': [{ version: 2 }, /version: must be 1, the only format/],
    'an unknown key': [{ codec: 'zip' }, /codec/],
    'a step that is no number': [{ step: '20' }, /step/],
    'a step below zero': [{ step: -1 }, /step/],
    'more updates than steps': [{ updates: 21 }, /21 updates in 20 steps/],
    'another size': [{ size: 31 }, /30 elements in all, its size says 31/],
    'no parts': [{ parts: [] }, /parts/],
    'another step under the old checksum': [{ step: 21 }, /contents do not match its checksum/],
    'no checksum': [{ sha256: undefined }, /sha256/],
    'no time': [{ writtenAt: 'yesterday' }, /writtenAt/],
  };
  for (const [name, [change, expected]] of Object.entries(hostile)) {
    test(`refuses ${name}`, () => {
      assert.throws(() => parseText(JSON.stringify({ ...sealed(), ...change })), refusal(expected));
    });
  }

  const badParts: Record<string, [object[], RegExp]> = {
    'a gap': [[part('a.safetensors', 0, 10), part('b.safetensors', 11, 30)], /b\.safetensors.*leaves a gap/],
    'an overlap': [[part('a.safetensors', 0, 10), part('b.safetensors', 9, 30)], /b\.safetensors.*overlaps/],
    'a late start': [[part('a.safetensors', 1, 30)], /a\.safetensors.*leaves a gap/],
    'an early end': [[part('a.safetensors', 0, 29)], /29 elements in all, its size says 30/],
    'a part that runs backwards': [[part('a.safetensors', 0, -1)], /parts\.0\.end/],
    'the same file twice': [
      [part('a.safetensors', 0, 9), part('a.safetensors', 9, 30)],
      /a\.safetensors twice/,
    ],
    'a file of another directory': [[part('../a.safetensors', 0, 30)], /file of the same directory/],
    'a hidden file': [[part('.a.safetensors', 0, 30)], /file of the same directory/],
    'another kind of file': [[part('manifest.json', 0, 30)], /file of the same directory/],
    'half a checksum': [[{ ...part('a.safetensors', 0, 30), sha256: 'ab' }], /64 hexadecimal digits/],
    'half an element': [[part('a.safetensors', 0, 30.5)], /parts\.0\.end/],
  };
  for (const [name, [parts, expected]] of Object.entries(badParts)) {
    test(`refuses ${name}, read or written`, () => {
      assert.throws(() => parseText(JSON.stringify({ ...sealed(), parts })), refusal(expected));
      assert.throws(() => encodeManifest({ ...content, parts: parts as typeof content.parts }), expected);
    });
  }

  test('refuses a key that is given twice, and deep nesting', () => {
    const text = encodeManifest(content);
    assert.throws(() => parseText(text.replace('{', '{"step": 3,')), refusal(/"step" twice/));
    assert.throws(() => parseText('['.repeat(50)), refusal(/nested deeper/));
  });

  test('names the file that is missing, no file, or too large', async (t) => {
    const directory = await temporaryDirectory(t);
    const path = join(directory, 'manifest.json');
    await assert.rejects(readManifest(directory), {
      name: 'RunError',
      message: new RegExp(`^${path}: .*ENOENT`),
    });
    await symlink('/dev/zero', path);
    await assert.rejects(readManifest(directory), { message: new RegExp(`^${path}: .*not a regular file`) });
    const other = join(directory, 'other');
    await mkdir(other);
    await writeFile(join(other, 'manifest.json'), '');
    await truncate(join(other, 'manifest.json'), 2 ** 30);
    await assert.rejects(readManifest(other), { message: /other\/manifest\.json: .*larger than/ });
  });
});
