import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { HubRemote, hubAccess } from '../../../../coordinator/sources/hub.js';
import { TransientError, type RemoteFile, type SourceKind } from '../../../../coordinator/sources/remote.js';
import { parseSource, renderSource, type HubSource } from '../../../../lib/config/source.js';
import { ConfigError } from '../../../../lib/errors.js';
import { FakeHub } from '../../../support/fake-hub.js';
import { serveHttp } from '../../../support/http-server.js';

const never = new AbortController().signal;

function remote(hub: FakeHub, text: string, kind: SourceKind = 'directory', token: string | null = null) {
  return new HubRemote(parseSource(text) as HubSource, kind, { endpoint: hub.endpoint, token });
}

async function bytesOf(file: RemoteFile, offset = 0): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of await file.read(offset, never)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function startHub(t: TestContext) {
  const hub = await FakeHub.start(t);
  const commit = hub.commit('models/me/tiny', {
    'config.json': '{}',
    'model.safetensors': 'weights',
    'consolidated.safetensors': 'the same',
    'pytorch_model.bin': 'the same',
    'tokenizer.json': '{"a":1}',
    'README.md': '#',
    '.gitattributes': '',
    'quantized/model.safetensors': 'fewer bits',
  });
  return { hub, commit };
}

test('a revision is pinned to its commit, of which the files of a model are listed over all pages', async (t) => {
  const { hub, commit } = await startHub(t);
  const pinned = await remote(hub, 'hf:me/tiny').pin(never);
  assert.equal(renderSource(pinned), `hf:me/tiny@${commit}`);
  const files = await remote(hub, renderSource(pinned)).list(never);
  assert.deepEqual(
    files.map(({ name, size, checksum }) => [name, size, checksum?.algorithm]),
    [
      ['config.json', 2, 'git'],
      ['model.safetensors', 7, 'sha256'],
      ['tokenizer.json', 7, 'git'],
    ],
  );
  assert.equal(String(await bytesOf(files[1]!)), 'weights');
  assert.equal(String(await bytesOf(files[1]!, 3)), 'ghts');
  assert.deepEqual(hub.ranges, ['bytes=3-']);
});

test('a folder of a repository, and a file of a dataset, are sources too', async (t) => {
  const { hub, commit } = await startHub(t);
  const [folder] = await remote(hub, `hf:me/tiny@${commit}/quantized`).list(never);
  assert.equal(String(await bytesOf(folder!)), 'fewer bits');
  const rows = hub.commit('datasets/me/rows', { 'data/a b.jsonl': 'rows', 'data/other.jsonl': '' }, 'v2');
  const source = 'hf:datasets/me/rows@v2/data/a b.jsonl';
  assert.equal(renderSource(await remote(hub, source, 'file').pin(never)), source.replace('v2', rows));
  const files = await remote(hub, source.replace('v2', rows), 'file').list(never);
  assert.deepEqual(
    files.map(({ name }) => name),
    ['a b.jsonl'],
  );
  assert.equal(String(await bytesOf(files[0]!)), 'rows');
});

test('what is not there, or not for everybody, is told in one line without the token', async (t) => {
  const { hub, commit } = await startHub(t);
  const fails = (text: string, kind: SourceKind, message: RegExp, token: string | null = null) =>
    assert.rejects(
      async () => {
        const asked = remote(hub, text, kind, token);
        await asked.pin(never);
        await asked.list(never);
      },
      (error) =>
        error instanceof ConfigError && message.test(error.message) && !/hf_secret/.test(error.message),
    );
  await fails(
    'hf:me/none',
    'directory',
    /^hf:me\/none: http:\S+ has no such repository, revision or file \(404\)$/,
  );
  await fails(`hf:me/tiny@${commit}/none.jsonl`, 'file', /none\.jsonl: there is no such file/);
  hub.commit('models/me/empty', { 'README.md': '#' });
  const empty = await remote(hub, 'hf:me/empty').pin(never);
  await fails(renderSource(empty), 'directory', /there is no files of a model/);
  hub.token = 'hf_right';
  await fails('hf:me/tiny', 'directory', /refuses it, or has no such repository \(401\): set HF_TOKEN/);
  await fails('hf:me/tiny', 'directory', /\(401\): HF_TOKEN may not read it$/, 'hf_secret');
  await remote(hub, 'hf:me/tiny', 'directory', 'hf_right').pin(never);
});

test('what may do well later is told apart', async (t) => {
  const { hub, commit } = await startHub(t);
  for (const status of [500, 503, 429]) {
    hub.statuses.push(status);
    await assert.rejects(remote(hub, 'hf:me/tiny').pin(never), TransientError);
  }
  const files = await remote(hub, `hf:me/tiny@${commit}`).list(never);
  hub.cuts.add(2);
  await assert.rejects(bytesOf(files[1]!), TransientError);
  const deaf = { endpoint: await serveHttp(t, ({ socket }) => socket.destroy()), token: null };
  const lost = new HubRemote(parseSource('hf:me/tiny') as HubSource, 'directory', deaf);
  await assert.rejects(
    lost.pin(never),
    (error) =>
      error instanceof TransientError && /^hf:me\/tiny: \S+ cannot be reached \(.+\)$/.test(error.message),
  );
});

test('the token goes to the hub alone, and answers of another server are refused', async (t) => {
  const seen: (string | undefined)[] = [];
  const elsewhere = await serveHttp(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.end('[]');
  });
  const endpoint = await serveHttp(t, (request, response) => {
    if (/revision/.test(request.url ?? '')) response.end('{"sha": "../../etc"}');
    else response.writeHead(200, { link: `<${elsewhere}/next>; rel="next"` }).end('[]');
  });
  const source = parseSource('hf:me/tiny') as HubSource;
  const asked = new HubRemote(source, 'directory', { endpoint, token: 'hf_secret' });
  await assert.rejects(asked.pin(never), /does not answer as a Hugging Face Hub does/);
  await assert.rejects(asked.list(never), /no files of a model/);
  assert.deepEqual(seen, [undefined]);
});

test('the environment says where the hub is, as for its own tools', () => {
  assert.deepEqual(hubAccess({}), { endpoint: 'https://huggingface.co', token: null });
  assert.deepEqual(hubAccess({ HF_ENDPOINT: 'https://mirror.example/', HF_TOKEN: 'hf_x' }), {
    endpoint: 'https://mirror.example',
    token: 'hf_x',
  });
  for (const HF_ENDPOINT of ['mirror.example', 'file:///etc', 'https://me:secret@mirror.example']) {
    const refusal = (error: unknown) => error instanceof ConfigError && !/secret/.test(error.message);
    assert.throws(() => hubAccess({ HF_ENDPOINT }), refusal);
  }
});
