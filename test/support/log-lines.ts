import { pino, type Logger } from 'pino';

/** A log that keeps its messages. */
export function keptLog(): { readonly log: Logger; readonly lines: { level: number; msg: string }[] } {
  const lines: { level: number; msg: string }[] = [];
  const write = (line: string) => lines.push(JSON.parse(line) as { level: number; msg: string });
  return { log: pino({ base: null }, { write }), lines };
}

/** Messages of warnings and worse. */
export const warningsOf = (lines: readonly { level: number; msg: string }[]): string[] =>
  lines.filter(({ level }) => level >= 40).map(({ msg }) => msg);
