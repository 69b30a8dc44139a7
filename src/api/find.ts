import { notFound } from '../model/error.ts'
import { isId } from '../model/id.ts'
import type { SourceKind } from '../model/application.ts'
import type { Caller } from '../store/account.ts'
import { findApplication } from '../store/application.ts'
import { findCluster } from '../store/cluster.ts'
import type { Db, Tx } from '../store/database.ts'
import { findEnvironment } from '../store/environment.ts'
import { listOrganizations } from '../store/organization.ts'
import { findProject } from '../store/project.ts'
import { findRegistry } from '../store/registry.ts'
import { findStage } from '../store/stage.ts'
import { findVariable } from '../store/variable.ts'
import { authorize, type Right } from './authorize.ts'

/** Looks things up by id, by the caller's organizations and by their right, all three at once. */
export class Finder {
  readonly #db: Db | Tx
  readonly #caller: Caller

  constructor(db: Db | Tx, caller: Caller) {
    this.#db = db
    this.#caller = caller
  }

  async organization(id: string, right: Right) {
    authorize(this.#caller, right, { noun: 'organization', id, organizationId: id })
    const [row] = await listOrganizations(this.#db as Db, [id])
    if (!row) throw notFound('organization', id)
    return row
  }

  project = (id: string, right: Right) => this.#find('project', id, right, findProject)
  environment = (id: string, right: Right) => this.#find('environment', id, right, findEnvironment)
  cluster = (id: string, right: Right) => this.#find('cluster', id, right, findCluster)
  registry = (id: string, right: Right) => this.#find('container registry', id, right, findRegistry)
  stage = (id: string, right: Right) => this.#find('deployment stage', id, right, findStage)

  async application(id: string, right: Right, kind?: SourceKind) {
    const noun = kind === undefined ? 'service' : kind === 'git' ? 'application' : 'container'
    const found =
      isId(id) && this.#caller.organizations.size > 0
        ? await findApplication(this.#db, [...this.#caller.organizations.keys()], id)
        : undefined
    if (!found || (kind !== undefined && found.spec.source.kind !== kind)) throw notFound(noun, id)
    authorize(this.#caller, right, { noun, id, organizationId: found.organizationId })
    return found
  }

  async variable(id: string, right: Right) {
    const found =
      isId(id) && this.#caller.organizations.size > 0 ? await findVariable(this.#db, [...this.#caller.organizations.keys()], id) : undefined
    if (!found) throw notFound('variable', id)
    authorize(this.#caller, right, { noun: 'variable', id, organizationId: found.organizationId })
    return found
  }

  async #find<T extends { organization_id: string }>(
    noun: string,
    id: string,
    right: Right,
    find: (db: Db | Tx, organizations: string[], id: string) => Promise<T | undefined>,
  ): Promise<T> {
    const found =
      isId(id) && this.#caller.organizations.size > 0 ? await find(this.#db, [...this.#caller.organizations.keys()], id) : undefined
    if (!found) throw notFound(noun, id)
    authorize(this.#caller, right, { noun, id, organizationId: found.organization_id })
    return found
  }
}
