/** `0:07`, `12:34`, `1:02:03`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const twoDigits = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = twoDigits(seconds % 60);
  return hours > 0 ? `${hours}:${twoDigits(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** `987`, `12.3k`, `4.56M`: three significant digits. */
export function formatRate(perSecond: number): string {
  if (perSecond < 999.5) return perSecond.toFixed(0);
  const [scaled, unit] = perSecond < 999_500 ? [perSecond / 1e3, 'k'] : [perSecond / 1e6, 'M'];
  return `${scaled.toPrecision(3)}${unit}`;
}

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `512 B`, `1.50 MiB`, `24.0 GiB`: three significant digits from a KiB on. */
export function formatBytes(bytes: number): string {
  // 1023.5 would be shown as 1020: the next unit begins at a thousand.
  const exponent =
    bytes < 1000 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.ceil(Math.log2(bytes / 1000) / 10));
  const scaled = bytes / 1024 ** exponent;
  return `${exponent === 0 ? scaled.toFixed(0) : scaled.toPrecision(3)} ${BYTE_UNITS[exponent]!}`;
}

export function formatPercent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
