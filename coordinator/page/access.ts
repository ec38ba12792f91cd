import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../../lib/loopback.js';

/**
 * Who may see the page: everyone on this machine; whoever has the token; or nobody, where it would be seen from elsewhere
 * and no token was given.
 */
export type PageAccess =
  | { readonly kind: 'loopback' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'closed' };

/** @param host that the server listens on */
export function pageAccess(host: string, token: string | null): PageAccess {
  if (token !== null) return { kind: 'token', token };
  return isLoopback(host) ? { kind: 'loopback' } : { kind: 'closed' };
}

export const TOKEN_PARAMETER = 'token';
const COOKIE = 'prospect_page';

/**
 * Whether a request may be answered. On loopback it must name this machine: a name from elsewhere that leads here would
 * let that place's scripts read the page (DNS rebinding).
 */
export function isAllowed(request: IncomingMessage, access: PageAccess): boolean {
  switch (access.kind) {
    case 'closed':
      return false;
    case 'loopback':
      return isLoopback(hostName(request.headers.host ?? ''));
    case 'token':
      return isBearer(request, access.token) || sameText(cookieOf(request) ?? '', cookieValue(access.token));
  }
}

/** Whether this token, from a link that someone has opened, is the right one. */
export function isToken(access: PageAccess, token: string): boolean {
  return access.kind === 'token' && sameText(token, access.token);
}

/** The Set-Cookie header after which a browser needs the token no more. */
export function loginCookie({ token }: Extract<PageAccess, { kind: 'token' }>): string {
  return `${COOKIE}=${cookieValue(token)}; Path=/; HttpOnly; SameSite=Strict`;
}

/** Proves that its holder had the token, and does not reveal it. */
function cookieValue(token: string): string {
  return createHmac('sha256', token).update(COOKIE).digest('base64url');
}

function cookieOf(request: IncomingMessage): string | undefined {
  const cookies = (request.headers.cookie ?? '').split(';').map((cookie) => cookie.trim());
  return cookies.find((cookie) => cookie.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
}

function isBearer(request: IncomingMessage, token: string): boolean {
  const [scheme, given] = (request.headers.authorization ?? '').split(' ');
  return scheme?.toLowerCase() === 'bearer' && sameText(given ?? '', token);
}

/** In a time that does not tell how much of it is right. */
function sameText(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

/** Without the port, and without an IPv6 address's brackets. */
function hostName(host: string): string {
  return host.startsWith('[') ? host.slice(1, host.indexOf(']')) : (host.split(':')[0] ?? '');
}
