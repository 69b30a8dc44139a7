import { messageOf } from '../model/error.ts'
import { referenceOf } from '../model/image.ts'
import { deleteBuild, listUnusedBuilds } from '../store/build.ts'
import type { ClusterRow, Dependencies } from './dependencies.ts'

/** Removes the images that were built on a cluster and that no kept release needs. What cannot be removed is tried again after the next deployment. */
export async function collectImages(deps: Dependencies, cluster: ClusterRow, signal: AbortSignal): Promise<void> {
  const { builder } = deps.adaptersOf(cluster)
  if (!builder || signal.aborted) return
  await deps.turns.take(`images of ${cluster.id}`, async () => {
    for (const { id, image } of await listUnusedBuilds(deps.db, cluster.id, deps.keptReleases)) {
      if (signal.aborted) return
      const reference = referenceOf(image)
      try {
        await builder.remove(image)
        await deleteBuild(deps.db, id)
        deps.log.info({ cluster: cluster.name, image: reference }, 'an image that no kept release needs is removed')
      } catch (error) {
        deps.log.warn(
          { cluster: cluster.name, image: reference, error: messageOf(error) },
          'an image that no kept release needs could not be removed',
        )
      }
    }
  })
}
