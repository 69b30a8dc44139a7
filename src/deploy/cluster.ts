import { messageOf } from '../model/error.ts'
import { noteOnCluster } from '../store/cluster.ts'
import type { ClusterRow, Dependencies } from './dependencies.ts'

/** Milliseconds that bringing what Berth needs onto a cluster may take; whoever looks later is told that it was interrupted. */
const LIMIT = 600_000
/** Lines kept of it. */
const LINES = 200

/** Brings what Berth needs onto a cluster, in the background: the cluster's status and `deploy_log` tell how it goes. Safe to begin again at any time. */
export async function deployCluster(deps: Dependencies, cluster: ClusterRow): Promise<void> {
  await noteOnCluster(deps.db, cluster.id, {
    deploying_until: new Date(Date.now() + LIMIT).toISOString(),
    deploy_error: undefined,
    deploy_log: [],
  })
  void install(deps, cluster).catch((error: unknown) =>
    deps.log.error({ cluster: cluster.name, error: messageOf(error) }, 'the cluster could not be deployed'),
  )
}

async function install(deps: Dependencies, cluster: ClusterRow): Promise<void> {
  const lines: string[] = []
  let written = Promise.resolve()
  const note = (line: string): void => {
    lines.push(line)
    // One after the other: an earlier log that is written later would take lines away.
    written = written.then(() => noteOnCluster(deps.db, cluster.id, { deploy_log: lines.slice(-LINES) })).catch(() => undefined)
  }
  const end = async (how: object): Promise<void> => {
    await written
    await noteOnCluster(deps.db, cluster.id, { deploying_until: undefined, deploy_log: lines.slice(-LINES), ...how })
  }
  try {
    await deps.adaptersOf(cluster).provisioning.install(note, AbortSignal.timeout(LIMIT))
    await end({ deployed_at: new Date().toISOString() })
  } catch (error) {
    await end({ deploy_error: messageOf(error) })
  }
}
