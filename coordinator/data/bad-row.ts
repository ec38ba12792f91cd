/** What is wrong with one row. The message is a reason to count rows by: it holds no row's own values. */
export class BadRow extends Error {
  override readonly name = 'BadRow';
}
