import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inflateSync } from 'node:zlib';
import { prospect, temporaryDirectory } from './prospect.js';

const documented = fileURLToPath(new URL('../../../docs/images/value-functions.svg', import.meta.url));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

interface Curve {
  readonly name: string;
  /** In the axes' units. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** The lines of a picture, read by its axes as one would with a ruler. */
function readCurves(svg: string): Curve[] {
  const x = axis(svg, 'X');
  const y = axis(svg, 'Y');
  const lines = svg.matchAll(
    /aria-label="[^"]*; name: ([^"]*)"[^>]*aria-roledescription="line mark" d="M([^"]*)"/g,
  );
  return [...lines].map(([, name, path]) => ({
    name: name!,
    points: path!.split('L').map((pair) => {
      const [left, top] = pair.split(',').map(Number);
      return { x: x(left!), y: y(top!) };
    }),
  }));
}

/** From pixels to an axis's units, by its first and last tick. */
function axis(svg: string, name: 'X' | 'Y'): (pixel: number) => number {
  const part = svg.slice(svg.indexOf(`aria-label="${name}-axis`));
  const section = (role: string) =>
    part
      .slice(part.indexOf(role), part.indexOf('</g>', part.indexOf(role)))
      .split('<')
      .slice(1);
  const ticks = section('role-axis-tick').map((line) =>
    Number(/translate\(([\d.]+),([\d.]+)\)/.exec(line)![name === 'X' ? 1 : 2]),
  );
  const labels = section('role-axis-label')
    .filter((element) => element.startsWith('text'))
    .map((element) => Number(element.slice(element.indexOf('>') + 1).replace('−', '-')));
  const [from, to] = [ticks[0]!, ticks.at(-1)!];
  const [low, high] = [labels[0]!, labels.at(-1)!];
  return (pixel) => low + ((pixel - from) / (to - from)) * (high - low);
}

/** Whether a PNG's lowest lines but the margin are of one colour: as stored, by difference, they then hold few values. */
function isBlank(png: Buffer, margin: number): boolean {
  const data: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const content = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') data.push(content);
  }
  const lines = inflateSync(Buffer.concat(data));
  const lineBytes = 1 + 4 * png.readUInt32BE(16);
  return new Set(lines.subarray(-(margin + 40) * lineBytes, -margin * lineBytes)).size < 8;
}

describe('prospect plot value-functions', () => {
  test('an SVG has the four curves, each with the ends that its equation has', async (t) => {
    const out = join(temporaryDirectory(t), 'values.svg');
    const { code, stderr } = await prospect(['plot', 'value-functions', '--out', out]);
    assert.equal(code, 0, stderr);
    const svg = readFileSync(out, 'utf8');
    const expected: readonly [name: string, worst: number, middle: number, best: number][] = [
      ['Kahneman–Tversky (α = 0.88, λ = 2.25)', -2.25 * 4 ** 0.88, 0, 4 ** 0.88],
      ['KTO (β = 1)', sigmoid(-4) - 0.5, 0, sigmoid(4) - 0.5],
      ['DPO (β = 1)', Math.log(2 * sigmoid(-4)), 0, Math.log(2 * sigmoid(4))],
      ['PPO-Clip (ε = 0.5)', Math.exp(-4) - 1, 0, 0.5],
    ];
    const curves = readCurves(svg);
    assert.deepEqual(
      curves.map(({ name }) => name),
      expected.map(([name]) => name),
    );
    curves.forEach(({ name, points }, i) => {
      const places = [points[0]!, points[(points.length - 1) / 2]!, points.at(-1)!];
      places.forEach(({ x, y }, k) => {
        const [reward, value] = [[-4, 0, 4][k]!, expected[i]!.slice(1)[k] as number];
        assert.ok(Math.abs(x - reward) < 1e-3, `${name}: a point is at ${x} instead of ${reward}`);
        assert.ok(Math.abs(y - value) < 1e-3, `${name} at ${reward}: ${y} instead of ${value}`);
      });
      for (let k = 1; k < points.length; k++) {
        assert.ok(points[k]!.y >= points[k - 1]!.y, `${name} falls at ${points[k]!.x}`);
      }
      assert.ok(svg.includes(`>${name}</text>`), `the legend lacks ${name}`);
    });
    assert.equal(readFileSync(documented, 'utf8'), svg, 'docs/images/value-functions.svg is out of date');
  });

  test('a PNG is one, with its text drawn', async (t) => {
    const directory = temporaryDirectory(t);
    const [png, svg] = [join(directory, 'values.PNG'), join(directory, 'values.svg')];
    for (const out of [png, svg]) {
      const { code, stderr } = await prospect(['plot', 'value-functions', '--out', out]);
      assert.equal(code, 0, stderr);
    }
    const bytes = readFileSync(png);
    assert.deepEqual([...bytes.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    assert.equal(bytes.toString('latin1', 12, 16), 'IHDR');
    const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(readFileSync(svg, 'utf8'))!;
    assert.deepEqual(
      [bytes.readUInt32BE(16), bytes.readUInt32BE(20)],
      [2 * Number(width), 2 * Number(height)],
    );
    assert.ok(!isBlank(bytes, 20), 'the horizontal axis has no title: text is not drawn');
    assert.equal(bytes.toString('latin1', bytes.length - 8, bytes.length - 4), 'IEND');
  });

  test('what cannot be written is one line and exit code 2', async (t) => {
    const directory = temporaryDirectory(t);
    const wrong: readonly [file: string, message: RegExp][] = [
      [
        'values.gif',
        /^error: cannot tell what image \S+values\.gif is to be: end its name in \.svg or \.png\n$/,
      ],
      ['values', /^error: cannot tell what image \S+values is to be: end its name in \.svg or \.png\n$/],
      ['missing/values.svg', /^error: cannot write \S+missing\/values\.svg: ENOENT[^\n]*\n$/],
    ];
    for (const [file, message] of wrong) {
      const out = join(directory, file);
      const { code, stdout, stderr } = await prospect(['plot', 'value-functions', '--out', out]);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.match(stderr, message);
      assert.ok(!existsSync(out));
    }
    assert.deepEqual(readdirSync(directory), []);
  });
});

describe('prospect plot RUN', () => {
  /** 40 steps of a stage that takes labels after 30 of one that has only a loss. */
  function writeMetrics(directory: string): readonly { readonly step: number; readonly loss: number }[] {
    const rows = [
      ...Array.from({ length: 30 }, (_, i) => ({
        step: i + 1,
        stage: 1,
        method: 'sft',
        loss: 3,
        grad_norm: 1,
      })),
      ...Array.from({ length: 40 }, (_, i) => ({
        step: i + 1,
        stage: 2,
        method: 'kto',
        loss: 0.5 + 0.25 * Math.cos(i / 4),
        kl: i / 10,
        'rewards/chosen': i % 7 === 0 ? null : i / 20,
        'rewards/rejected': -i / 20,
        'rewards/margins': i % 7 === 0 ? null : i / 10,
        grad_norm: 1 + i / 40,
        num_tokens: 512 * (i + 1),
        step_time_s: 0.5,
      })),
    ];
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    // The last line is being written.
    writeFileSync(join(directory, 'metrics.jsonl'), `${text}{"step":41,"sta`);
    return rows.filter(({ stage }) => stage === 2);
  }

  const linesOf = (svg: string) => svg.match(/aria-roledescription="line mark"/g)?.length ?? 0;

  test('draws the last stage: every step of its curves', async (t) => {
    const directory = temporaryDirectory(t);
    const rows = writeMetrics(directory);
    const out = join(directory, 'curves.svg');
    const { code, stderr } = await prospect(['plot', directory, '--out', out]);
    assert.equal(code, 0, stderr);
    const svg = readFileSync(out, 'utf8');
    for (const text of [
      'Loss',
      'KL (nats)',
      'Rewards',
      'chosen',
      'rejected',
      'Reward margin',
      'Gradient norm',
    ]) {
      assert.ok(svg.includes(`>${text}</text>`), text);
    }
    assert.ok(svg.includes('stage 2 (kto)</text>'));
    assert.equal(linesOf(svg), 7);
    const [x, y] = [axis(svg, 'X'), axis(svg, 'Y')];
    const [, path] = /aria-roledescription="line mark" d="M([^"]*)"/.exec(svg)!;
    const points = path!.split('L').map((pair) => pair.split(',').map(Number));
    assert.equal(points.length, rows.length);
    points.forEach(([left, top], i) => {
      const { step, loss } = rows[i]!;
      // Ticks stand on whole pixels.
      assert.ok(Math.abs(x(left!) - step) < 0.1, `a point is at step ${x(left!)} instead of ${step}`);
      assert.ok(Math.abs(y(top!) - loss) < 0.01, `step ${step}: ${y(top!)} instead of ${loss}`);
    });
  });

  test('held-out rows are points on dashed lines, from the start of their stage on', async (t) => {
    const directory = temporaryDirectory(t);
    writeMetrics(directory);
    const rows = [0, 20, 40].map((step) => ({
      step,
      stage: 2,
      eval_loss: 0.7 - step / 100,
      'eval_accuracy/chosen': 0.5 + step / 100,
      'eval_accuracy/rejected': null,
    }));
    const ofStage1 = { step: 30, stage: 1, eval_loss: 99 };
    const text = [ofStage1, ...rows].map((row) => `${JSON.stringify(row)}\n`).join('');
    writeFileSync(join(directory, 'evaluations.jsonl'), `${text}{"step":`);
    const out = join(directory, 'curves.svg');
    const { code, stderr } = await prospect(['plot', directory, '--out', out]);
    assert.equal(code, 0, stderr);
    const svg = readFileSync(out, 'utf8');
    const points = [...svg.matchAll(/aria-label="step: (\d+); mean: ([\d.]+)"[^>]*description="point"/g)];
    assert.deepEqual(
      points.map(([, step, value]) => [Number(step), Number(value)]),
      [
        ...[
          [0, 0.7],
          [20, 0.5],
          [40, 0.3],
        ],
        ...[
          [0, 0.5],
          [20, 0.7],
          [40, 0.9],
        ],
      ],
    );
    assert.equal(svg.match(/stroke-dasharray="5,4"/g)?.length, 2);
    assert.equal(linesOf(svg), 9);
    assert.ok(svg.includes('>Accuracy</text>') && svg.includes('held-out rows</text>'));
  });

  test('draws another stage, from the file itself, as a PNG', async (t) => {
    const directory = temporaryDirectory(t);
    writeMetrics(directory);
    const metrics = join(directory, 'metrics.jsonl');
    const [svg, png] = [join(directory, 'sft.svg'), join(directory, 'sft.png')];
    for (const out of [svg, png]) {
      const { code, stderr } = await prospect(['plot', metrics, '--stage', '1', '--out', out]);
      assert.equal(code, 0, stderr);
    }
    assert.equal(linesOf(readFileSync(svg, 'utf8')), 2);
    assert.equal(readFileSync(png).toString('latin1', 1, 4), 'PNG');
  });

  test('what cannot be drawn is one line and exit code 2', async (t) => {
    const directory = temporaryDirectory(t);
    writeMetrics(directory);
    const bad = join(directory, 'bad.jsonl');
    writeFileSync(bad, '{"step":1,"stage":1,"method":"sft","loss":1}\n{"step":"two"}\n');
    const empty = join(directory, 'empty.jsonl');
    writeFileSync(empty, '');
    const evaluated = join(directory, 'evaluated');
    mkdirSync(evaluated);
    writeMetrics(evaluated);
    writeFileSync(join(evaluated, 'evaluations.jsonl'), '{"step":-1,"stage":2}\n');
    const out = ['--out', join(directory, 'x.png')];
    const wrong: readonly [args: readonly string[], message: RegExp][] = [
      [[], /^error: no run was given: [^\n]*\n$/],
      [[directory], /^error: --out is missing: [^\n]*\n$/],
      [[directory, '--stage', '3', ...out], /^error: \S+: no stage 3; there is 1, 2\n$/],
      [[join(directory, 'nowhere'), ...out], /^error: \S+nowhere is not there; [^\n]*\n$/],
      [[bad, ...out], /^error: \S+bad\.jsonl:2: not a line of metrics: [^\n]*\n$/],
      [[evaluated, ...out], /^error: \S+evaluations\.jsonl:1: not a line of metrics: [^\n]*\n$/],
      [[empty, ...out], /^error: \S+empty\.jsonl: no step was finished yet\n$/],
    ];
    for (const [args, message] of wrong) {
      const { code, stderr } = await prospect(['plot', ...args]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
    }
    assert.ok(!existsSync(out[1]!));
  });
});
