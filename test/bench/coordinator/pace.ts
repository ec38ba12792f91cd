/** How long the worker that computes nothing takes for a step. */
export const PACE_MS = 50;
