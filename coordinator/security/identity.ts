/** What a caller may be. */
export const roles = ['worker', 'submit', 'read'] as const;
export type Role = (typeof roles)[number];

/** Who calls. */
export interface Identity {
  /** For logs: no secret. */
  readonly name: string;
  /** Null for someone who is known and may do nothing, such as a coordinator. */
  readonly role: Role | null;
}

export function isRole(text: unknown): text is Role {
  return roles.some((role) => role === text);
}

/**
 * Who the holder of a certificate is, by the first of its DNS names in the domain: `<role>.<domain>`. Null where it has no
 * name there: the authority may have signed certificates of others too.
 *
 * @param subjectAltName as Node writes it: `DNS:a, DNS:b, IP Address:127.0.0.1`
 */
export function identityOf(subjectAltName: string | undefined, domain: string): Identity | null {
  // Node quotes a name with signs that could end it, so that no name can pass for two.
  const names = (subjectAltName ?? '')
    .split(', ')
    .flatMap((entry) => /^DNS:([\w.*-]+)$/.exec(entry)?.[1] ?? []);
  const own = names
    .map((name) => name.toLowerCase())
    .filter((name) => name.endsWith(`.${domain.toLowerCase()}`));
  const labels = own.map((name) => name.slice(0, -domain.length - 1));
  const role = labels.find(isRole);
  if (role !== undefined) return { name: `${role}.${domain}`, role };
  return own[0] === undefined ? null : { name: own[0], role: null };
}
