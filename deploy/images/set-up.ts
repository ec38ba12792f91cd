/**
 * `prospect setup` for building images: without the rest of the command line, so that a change there leaves the layer
 * of native TensorFlow as it is.
 */
import { setUpTensorFlow } from '../tensorflow/setup.js';

await setUpTensorFlow({ check: true, log: console.log });
