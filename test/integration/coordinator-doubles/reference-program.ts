/** A reference replica that knows no model, as a process of its own: it only says that it lives. */
import { parseArgs } from 'node:util';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { announceReady, exitWithParent } from '../../../lib/process/lifeline.js';
import { showLife } from './life-signs.js';

const text = { type: 'string' } as const;
const { values } = parseArgs({ options: { model: text, socket: text, threads: text } });
exitWithParent(() => undefined);
showLife('reference');
const server = new Server();
new HealthImplementation({ '': 'SERVING' }).addToServer(server);
server.bindAsync(`unix:${values.socket!}`, ServerCredentials.createInsecure(), () => announceReady());
