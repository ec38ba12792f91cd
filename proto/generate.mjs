// Generates proto/generated/prospect.{js,d.ts} from the .proto files below proto/prospect/.
// With `--copy-to DIR`: puts the generated code beside the compiled code instead.
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const here = dirname(fileURLToPath(import.meta.url));
const sources = readdirSync(join(here, 'prospect'), { recursive: true })
  .filter((name) => name.endsWith('.proto'))
  .sort()
  .map((name) => join(here, 'prospect', name));
const generated = join(here, 'generated');
const code = join(generated, 'prospect.js');
const types = join(generated, 'prospect.d.ts');

/** True where the generated files are newer than every source: generation takes seconds, and builds are frequent. */
function upToDate() {
  if (!existsSync(code) || !existsSync(types)) return false;
  const made = Math.min(statSync(code).mtimeMs, statSync(types).mtimeMs);
  return [...sources, fileURLToPath(import.meta.url)].every((file) => statSync(file).mtimeMs < made);
}

/** Everything is written under a temporary name first, so that an interrupted build never leaves half a file. */
async function generate() {
  const { default: pbjs } = await import('protobufjs-cli/pbjs.js');
  const { default: pbts } = await import('protobufjs-cli/pbts.js');
  mkdirSync(generated, { recursive: true });
  const temporary = join(generated, `.${process.pid}.prospect.js`);
  const flags = ['-t', 'static-module', '-w', 'es6', '--force-number', '--no-delimited', '-p', here];
  await promisify(pbjs.main)([...flags, '-o', temporary, ...sources]);
  const declarations = await promisify(pbts.main)([temporary]);
  writeFileSync(`${types}.${process.pid}`, declarations);
  renameSync(temporary, code);
  renameSync(`${types}.${process.pid}`, types);
}

const copyTo = process.argv.indexOf('--copy-to');
if (copyTo > 0) {
  const target = join(process.argv[copyTo + 1], 'proto/generated');
  mkdirSync(target, { recursive: true });
  cpSync(code, join(target, 'prospect.js'));
} else if (!upToDate()) {
  await generate();
}
