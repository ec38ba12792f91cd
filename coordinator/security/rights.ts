import { service as healthService } from 'grpc-health-check';
import type { Flow, Rpc } from '../../proto/services.js';
import { clusterService, runService, uploadService } from '../../proto/services.js';
import { roles, type Role } from './identity.js';

type Service = Readonly<Record<string, Rpc<Flow, never, unknown, never, unknown>>>;

const pathsOf = (service: Service) => Object.values(service).map(({ path }) => path);
const pathOf = ({ path }: { readonly path: string }) => path;

const health = Object.values(healthService).map(pathOf);

/** Which methods each role may call. Nobody may call what is not named here. */
const rights: Readonly<Record<Role, ReadonlySet<string>>> = {
  worker: new Set([...pathsOf(clusterService), ...health]),
  submit: new Set([...pathsOf(runService), ...pathsOf(uploadService), ...health]),
  read: new Set([
    runService.getRun.path,
    runService.listRuns.path,
    runService.watchRun.path,
    runService.readLog.path,
    runService.getCoordinator.path,
    ...health,
  ]),
};

export function mayCall(role: Role, path: string): boolean {
  return rights[role].has(path);
}

/** Those who may call a method. */
export function rolesFor(path: string): readonly Role[] {
  return roles.filter((role) => mayCall(role, path));
}
