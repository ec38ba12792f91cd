/** Where a coordinator serves, and is looked for, unless another place is named. */
export const DEFAULT_COORDINATOR_ADDRESS = '127.0.0.1:7070';
