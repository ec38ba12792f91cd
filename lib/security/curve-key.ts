const CURVE_KEY = /^[0-9a-zA-Z.:+=^!/*?&<>()[\]{}@%$#-]{40}$/;

/** Whether a text can be a key of CURVE as ZeroMQ writes it: 32 bytes in its base 85. */
export function isCurveKey(text: string): boolean {
  return CURVE_KEY.test(text);
}
