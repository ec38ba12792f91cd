import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findRun } from '../../../../../deploy/cli/remote/find-run.js';
import { ConfigError } from '../../../../../lib/errors.js';
import { v1 } from '../../../../../proto/services.js';

const runs = [
  ['run-ab12cd34', 'kto'],
  ['run-ab99cd34', 'long'],
  ['run-0000beef', 'kto'],
  ['run-ccccdddd', 'ab12cd34'],
  ['run-eeeeffff', 'ab99cd34'],
].map(([id, name]) => v1.Run.create({ id: id!, name: name! }));

const idOf = (wanted?: string) => findRun(runs, wanted).id;

describe('a run is meant', () => {
  test('by nothing: the latest', () => assert.equal(idOf(), 'run-eeeeffff'));
  test('by its id', () => assert.equal(idOf('run-ab12cd34'), 'run-ab12cd34'));
  test('by the beginning of its id, with run- or without', () => {
    assert.equal(idOf('run-ab1'), 'run-ab12cd34');
    assert.equal(idOf('ab9'), 'run-ab99cd34');
    assert.equal(idOf('0000beef'), 'run-0000beef');
  });
  test('by its name: of several, the latest', () => {
    assert.equal(idOf('long'), 'run-ab99cd34');
    assert.equal(idOf('kto'), 'run-0000beef');
  });
  test('by a name before a beginning of an id', () => assert.equal(idOf('ab12cd34'), 'run-ccccdddd'));
});

describe('no run is meant', () => {
  const refusal = (wanted: string | undefined, of = runs) => {
    try {
      findRun(of, wanted);
      return null;
    } catch (error) {
      assert.ok(error instanceof ConfigError);
      return error.message;
    }
  };
  test('by the beginning of several ids: they are named', () => {
    assert.equal(refusal('ab'), '"ab" may be run-ab12cd34, run-ab99cd34: give more of the id');
  });
  test('by what all ids begin with', () => assert.match(refusal('run-')!, /may be .* give more/));
  test('by an unknown word, or an empty one', () => {
    assert.match(refusal('nonsense')!, /^no run is called "nonsense".*prospect queue --all$/);
    assert.match(refusal('')!, /^no run is called ""/);
  });
  test('where there is none', () => assert.match(refusal(undefined, [])!, /no runs yet: prospect submit/));
});
