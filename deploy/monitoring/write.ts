/** Writes the monitoring files into the repository that is the working directory: `npm run monitoring`. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { monitoringFiles } from './files.js';

for (const [path, content] of monitoringFiles()) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
  console.log(`wrote ${path}`);
}
