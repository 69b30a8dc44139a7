import { builtInVariables, type Neighbourhood } from '../release/built-in.ts'
import { digestOf } from '../release/digest.ts'
import { resolveVariables } from '../release/variables.ts'
import type { Application } from '../model/application.ts'
import { instanceCount } from '../model/application.ts'
import type { Commit } from '../model/git.ts'
import type { Image } from '../model/image.ts'
import { readinessOf } from '../model/probe.ts'
import type { Release } from '../model/release.ts'
import { Secret, type Value } from '../model/secret.ts'
import type { VariableValue } from '../model/variable.ts'
import type { Place, Workload } from '../model/workload.ts'
import type { Rollout } from '../plan/step.ts'
import { listApplications } from '../store/application.ts'
import type { Db, Tx } from '../store/database.ts'
import { getEnvironment } from '../store/environment.ts'
import { createRelease } from '../store/release.ts'
import { fingerprintOf, openSecret } from '../store/secret.ts'
import { listVariables } from '../store/variable.ts'
import { accessFingerprint, pullAccessOf } from './access.ts'
import type { Dependencies } from './dependencies.ts'

export async function neighbourhoodOf(db: Db | Tx, environmentId: string, domain: string): Promise<Neighbourhood> {
  const environment = await getEnvironment(db, environmentId)
  return {
    project: { id: environment.project_id },
    environment: { id: environment.id, name: environment.name, mode: environment.mode, engineName: environment.engine_name },
    cluster: { id: environment.cluster_id, name: environment.cluster_name },
    applications: await listApplications(db, { environmentId }),
    domain: environment.cluster_domain ?? domain,
  }
}

/** Every variable the application will see, secrets as references. */
export async function variablesOf(
  deps: Pick<Dependencies, 'db' | 'domain'>,
  application: Application,
): Promise<Record<string, VariableValue>> {
  const around = await neighbourhoodOf(deps.db, application.environmentId, deps.domain)
  const variables = await listVariables(deps.db, [around.project.id, application.environmentId, application.id])
  return resolveVariables(variables, Object.fromEntries(builtInVariables(application, around).map(({ key, value }) => [key, value])))
}

export async function makeRelease(
  tx: Tx,
  made: { application: Application; image: Image; commit: Commit | null; variables: Record<string, VariableValue> },
): Promise<Release> {
  const { application, image, commit, variables } = made
  const fingerprints: Record<string, { literal: string } | { fingerprint: string }> = {}
  for (const [key, value] of Object.entries(variables))
    fingerprints[key] = 'secret' in value ? { fingerprint: await fingerprintOf(tx, application.organizationId, value.secret) } : value
  const access = await accessFingerprint(tx, application.organizationId, { spec: application.spec, image })
  const digest = digestOf({ spec: application.spec, image, variables: fingerprints, access })
  return createRelease(tx, {
    organizationId: application.organizationId,
    applicationId: application.id,
    digest,
    spec: application.spec,
    image,
    variables,
    commit,
  })
}

export async function placeOf(db: Db, application: Application): Promise<Place> {
  const environment = await getEnvironment(db, application.environmentId)
  return {
    organizationId: application.organizationId,
    projectId: environment.project_id,
    environmentId: environment.id,
    environmentName: environment.name,
    namespace: environment.engine_name,
    applicationId: application.id,
    name: application.engineName,
    addressLabel: application.addressLabel,
  }
}

/** A release as an engine runs it. The only place where secrets of a release are revealed; `hide` learns them first. */
export async function workloadOf(
  deps: Dependencies,
  application: Application,
  run: { release: Release; generation: number; hide: (values: string[]) => void },
): Promise<Workload> {
  const { release, generation } = run
  const { spec } = release
  const environment: Record<string, Value> = {}
  for (const [key, value] of Object.entries(release.variables)) {
    if ('literal' in value) environment[key] = value.literal
    else {
      const text = await openSecret(deps.db, deps.vault, application.organizationId, value.secret)
      run.hide([text])
      environment[key] = new Secret(text)
    }
  }
  const access = await pullAccessOf(deps, application.organizationId, release)
  if (access) run.hide([access.password.reveal()])
  return {
    place: await placeOf(deps.db, application),
    revision: release.revision,
    generation,
    image: release.image,
    access,
    environment,
    entrypoint: spec.entrypoint,
    arguments: spec.arguments,
    cpuMilli: spec.cpuMilli,
    memoryMib: spec.memoryMib,
    ephemeralGib: spec.ephemeralGib,
    gpu: spec.gpu,
    architecture: spec.architecture,
    scaling: spec.scaling,
    ports: spec.ports,
    volumes: spec.volumes,
    readiness: readinessOf(spec.readiness, spec.ports).probe,
    liveness: spec.liveness,
    settings: spec.settings,
  }
}

export const rolloutOf = (release: Release, generation: number): Rollout => ({
  revision: release.revision,
  generation,
  instances: instanceCount(release.spec),
})
