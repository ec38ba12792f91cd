/** Ends with a line that says why, where TensorFlow does not compute on a GPU: worker-entrypoint.sh asks first. */
import { ExitCode, messageOf } from '../../lib/errors.js';
import { installedPackageRoot } from '../tensorflow/binding.js';
import { requireGpu } from '../tensorflow/check.js';

try {
  console.error(await requireGpu(installedPackageRoot(), process.env));
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = ExitCode.badInput;
}
