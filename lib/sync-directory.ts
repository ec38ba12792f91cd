import { open } from 'node:fs/promises';

/** Resolves once the names in a directory are on the disk: they must survive a power failure as the files do. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
