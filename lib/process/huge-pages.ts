const SWITCH = 'glibc.malloc.hugetlb';

/**
 * Environment of a process that computes: large tensors come and go with every operation, and a new one costs a page fault
 * every 4 KiB unless the C library asks for huge pages. It reads this when a process starts; other C libraries do not.
 */
export function withHugePages(tunables = process.env['GLIBC_TUNABLES'] ?? ''): { GLIBC_TUNABLES: string } {
  const isChosen = tunables.split(':').some((setting) => setting.startsWith(`${SWITCH}=`));
  const chosen = isChosen ? tunables : [tunables, `${SWITCH}=1`].filter(Boolean).join(':');
  return { GLIBC_TUNABLES: chosen };
}
