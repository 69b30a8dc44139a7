import { readyDeadline } from '../model/probe.ts'
import type { Workload } from '../model/workload.ts'

/**
 * Seconds until an engine that replaces instances by itself must be done: batch after batch, each as long as one instance may take, and where
 * the old ones stop first (volumes, Recreate) as long as they may take to end as well.
 */
export function replacementDeadline(workload: Pick<Workload, 'readiness' | 'settings' | 'volumes'>, instances: number): number {
  const { updateStrategy, maxSurgePercent, maxUnavailablePercent, gracePeriod } = workload.settings
  const each = readyDeadline(workload.readiness)
  if (workload.volumes.length > 0) return instances * (each + gracePeriod)
  if (updateStrategy === 'recreate') return each + gracePeriod
  const surge = Math.ceil((instances * maxSurgePercent) / 100)
  const missing = Math.floor((instances * maxUnavailablePercent) / 100)
  return Math.ceil(instances / Math.max(1, surge + missing)) * each
}
