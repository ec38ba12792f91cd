/** A reference replica that only exists, as a process of its own. */
import { announceReady, exitWithParent } from '../../../lib/process/lifeline.js';
import { showLife } from './life-signs.js';

exitWithParent(() => undefined);
showLife('reference');
announceReady();
