import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

import { z } from 'zod';

/** The npm packages that the native binding is compiled from. */
export interface BindingSources {
  /** The root of `@tensorflow/tfjs-node-gpu`. */
  readonly packageRoot: string;
  readonly packageVersion: string;
  /** The C++ sources and headers under `binding/`, by name. */
  readonly files: readonly { readonly name: string; readonly content: string }[];
  /** The root of `node-api-headers`. */
  readonly headersRoot: string;
  readonly headersVersion: string;
}

const { resolve } = createRequire(import.meta.url);

/** Where npm put the binding's package, which need not be below Prospect's own. */
export function installedPackageRoot(): string {
  return dirname(resolve('@tensorflow/tfjs-node-gpu/package.json'));
}

export async function readBindingSources(packageRoot: string): Promise<BindingSources> {
  const headersRoot = dirname(resolve('node-api-headers/package.json'));
  const directory = join(packageRoot, 'binding');
  const names = (await readdir(directory)).filter((name) => /\.(cc|h)$/.test(name)).sort();
  return {
    packageRoot,
    packageVersion: await versionOf(packageRoot),
    files: await Promise.all(
      names.map(async (name) => ({ name, content: await readFile(join(directory, name), 'utf8') })),
    ),
    headersRoot,
    headersVersion: await versionOf(headersRoot),
  };
}

const manifest = z.object({ version: z.string() });

async function versionOf(root: string): Promise<string> {
  return manifest.parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))).version;
}
