import type { Change } from '../engine/port.ts'
import type { Application } from '../model/application.ts'
import type { Wanted } from '../model/deployment.ts'
import type { Release } from '../model/release.ts'
import { diffReleases, type Compared } from '../release/diff.ts'
import { getEnvironment } from '../store/environment.ts'
import { findRelease, newestRevision } from '../store/release.ts'
import type { ClusterRow, Dependencies } from './dependencies.ts'
import { wantedVersion } from './image.ts'
import { variablesOf, workloadOf } from './release.ts'

/** What deploying would do. `changes`: what a person would read; `objects`: what would change on the cluster, null where that is not known beforehand. */
export type Preview = { from: number | null; changes: string[]; objects: Change[] | null; notes: string[] }

/** Works out what a deployment would change, and changes nothing: nothing is built, nothing is stored. */
export async function previewDeployment(
  deps: Dependencies,
  cluster: ClusterRow,
  of: { application: Application; wanted: Wanted },
): Promise<Preview> {
  const { application } = of
  const serving = application.servingReleaseId ? await findRelease(deps.db, application.servingReleaseId) : undefined
  const { image, commit, note } = await wantedVersion(deps, application, { wanted: of.wanted, serving })
  const candidate: Compared = { spec: application.spec, variables: await variablesOf(deps, application), image, commit }
  const changes = diffReleases(serving ?? null, candidate)
  const preview = { from: serving?.revision ?? null, changes, notes: note === null ? [] : [note] }
  if (changes.length === 0 && application.presence === 'running')
    return { ...preview, objects: [], notes: [...preview.notes, 'Nothing would change: no instance is restarted.'] }
  const known = image ?? serving?.image
  if (!known)
    return { ...preview, objects: null, notes: [...preview.notes, 'What would change on the cluster is known once the image is built.'] }
  const revision = (await newestRevision(deps.db, application.id)) + 1
  const release: Release = {
    ...RELEASE,
    organizationId: application.organizationId,
    applicationId: application.id,
    ...candidate,
    revision,
    image: known,
  }
  const { deployment_count: generation } = await getEnvironment(deps.db, application.environmentId)
  const workload = await workloadOf(deps, application, { release, generation: generation + 1, hide: () => undefined })
  return { ...preview, objects: await deps.adaptersOf(cluster).engine.preview(workload) }
}

/** A release that is never stored. */
const RELEASE = { id: '', digest: '', specVersion: 1, createdAt: new Date(0) }
