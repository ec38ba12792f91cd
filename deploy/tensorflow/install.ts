import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { BindingSources } from './binding.js';
import { makeAtomically } from './cache.js';
import type { Environment } from './command.js';
import { compileBinding } from './compile.js';
import { downloadWheel } from './download.js';
import { requireDiskSpace, requireSupportedPlatform } from './machine.js';
import type { Build, Wheel } from './pins.js';
import { findTools } from './tools.js';
import { unpackWheel } from './unpack.js';

/**
 * Makes `library`, unless it is there: the shared libraries of the build's wheels, and the binding compiled against
 * them. All that can be known to be missing is reported before the first byte is fetched.
 */
export async function installLibrary(
  library: string,
  build: Build,
  sources: BindingSources,
  env: Environment,
  log: (line: string) => void,
): Promise<void> {
  if (existsSync(library)) return;
  requireSupportedPlatform();
  const { python, compiler } = await findTools(env);
  const root = dirname(library);
  // Loaded where it is used, once for a machine: the lock is SQLite's, which is native.
  const { withLock } = await import('../../lib/process/lock.js');
  await withLock(
    root,
    {
      onWait: () => log('another set-up is under way: waiting for it'),
      advice: 'set PROSPECT_CACHE to a writable folder on a local disk',
    },
    async () => {
      if (existsSync(library)) return;
      await makeAtomically(library, async (partial) => {
        await requireDiskSpace(root, build.diskBytes);
        for (const wheel of build.wheels) await installWheel(wheel, partial, python, env, log);
        log('compiling the binding');
        await compileBinding(sources, partial, compiler, env);
        await rm(join(partial, 'tensorflow', 'include'), { recursive: true });
      });
      log(`made ${library}`);
    },
  );
}

/** The download and pip's own temporary files stay inside `directory`, so that an interruption leaves none elsewhere. */
async function installWheel(
  wheel: Wheel,
  directory: string,
  python: string,
  env: Environment,
  log: (line: string) => void,
): Promise<void> {
  log(`downloading ${wheel.project} ${wheel.version} (${Math.round(wheel.bytes / 1e6)} MB)`);
  const temporary = join(directory, 'tmp');
  const download = join(directory, 'download');
  await mkdir(temporary);
  await mkdir(download);
  const path = await downloadWheel(wheel, download, python, { ...env, TMPDIR: temporary });
  await unpackWheel(path, wheel.keep, directory, python, env);
  await rm(download, { recursive: true });
  await rm(temporary, { recursive: true });
}
