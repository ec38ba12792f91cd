import { Socket } from 'node:net';

/**
 * A thread that kills its process when the parent is gone, whatever the main thread is doing. Standard input is a pipe
 * whose other end only the parent holds.
 */
new Socket({ fd: 0 }).resume().once('close', () => process.kill(process.pid, 'SIGKILL'));
