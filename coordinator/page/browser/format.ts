/** `0.4132`, `12.4`, `1.20e-5`, `–` for nothing: about as many digits as one reads. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(2).replace('-', '−').replace('e+', 'e');
  return value.toPrecision(size >= 1000 ? Math.ceil(Math.log10(size)) : 4).replace('-', '−');
}

/** `843`, `8.12k`, `3.40M`, `3.84G`. */
export function formatRate(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toPrecision(3)}G`;
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)}M`;
  if (value >= 1000) return `${(value / 1000).toPrecision(3)}k`;
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2);
}

/** `0:07`, `12:45`, `3:07:12`, `2 d 4 h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600),
    Math.floor(seconds / 60),
  ];
  const two = (value: number) => String(value).padStart(2, '0');
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours}:${two(minutes % 60)}:${two(seconds % 60)}`;
  return `${minutes}:${two(seconds % 60)}`;
}

/** Of a step or a phase: `84 ms`, `1.24 s`. */
export function formatShortTime(ms: number): string {
  return ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms` : `${(ms / 1000).toPrecision(3)} s`;
}

/** Time of day in the reader's zone; with the date where it was another day. */
export function formatTime(timeMs: number, nowMs: number): string {
  const time = new Date(timeMs);
  const sameDay = time.toDateString() === new Date(nowMs).toDateString();
  const clock: Intl.DateTimeFormatOptions = {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  };
  return time.toLocaleString([], sameDay ? clock : { ...clock, month: 'short', day: 'numeric' });
}

/** On an axis: `0.25`, `1.5k`, `2e-5`. */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  const digits =
    size >= 1e6
      ? `${Number((value / 1e6).toPrecision(6))}M`
      : size >= 1e4
        ? `${Number((value / 1e3).toPrecision(6))}k`
        : size > 0 && size < 1e-3
          ? Number(value.toPrecision(3)).toExponential()
          : String(Number(value.toPrecision(6)));
  return digits.replace('-', '−');
}
