export const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** log σ(x), without overflow; its slope is σ(−x). */
export const logSigmoid = (x: number) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));

/** σ′(x) = σ(x) σ(−x). */
export const sigmoidSlope = (x: number) => sigmoid(x) * sigmoid(-x);
