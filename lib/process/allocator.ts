/**
 * How the GNU C library's allocator serves a process that computes; it reads this when a process starts, other libraries do
 * not. Large tensors come and go with every operation, and a new one costs a page fault every 4 KiB unless huge pages are
 * asked for. In one arena what one thread frees serves all others: with one for each thread, twice the memory was taken.
 */
const SETTINGS = ['glibc.malloc.hugetlb=1', 'glibc.malloc.arena_max=1'] as const;

/** Environment of a process that computes, with what somebody chose left as it is. */
export function allocatorEnvironment(chosen = process.env['GLIBC_TUNABLES'] ?? ''): {
  GLIBC_TUNABLES: string;
} {
  const settings = chosen.split(':').filter(Boolean);
  const isChosen = (name: string) => settings.some((setting) => setting.startsWith(`${name}=`));
  const added = SETTINGS.filter((setting) => !isChosen(setting.slice(0, setting.indexOf('='))));
  return { GLIBC_TUNABLES: [...settings, ...added].join(':') };
}
