import type { Script, ScriptedWorker } from './scripted-worker.js';

/** Answers every step but the first time that it comes to `step`; then `act` decides. */
export function onceAt(step: number, act: (worker: ScriptedWorker) => void): Script {
  let done = false;
  return {
    onStep: (work, stepReport, worker) => {
      if (done || work.step !== step) return { stepReport };
      done = true;
      act(worker);
      return undefined;
    },
  };
}
