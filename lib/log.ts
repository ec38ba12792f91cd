import { destination, pino, type Logger } from 'pino';

export type { Logger };

/**
 * The process's log: JSON lines on standard error, so that standard output stays free for results.
 * `PROSPECT_LOG_LEVEL` sets the level (default `info`).
 */
export function createLogger(role: string): Logger {
  const level = process.env['PROSPECT_LOG_LEVEL'] ?? 'info';
  return pino(
    { level, base: { role, pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    destination({ dest: 2, sync: true }),
  );
}
