import type { Workload } from '../../../model/workload.ts'
import { labels, placeLabels } from '../label.ts'
import { apiVersionOf, type KubeObject } from '../object.ts'
import { serviceName, volumeName, workloadName } from './name.ts'
import { kindOf, renderPod, type RenderContext } from './pod.ts'

/** Old templates that Kubernetes keeps: the one that serves is enough, Berth has the releases. */
const HISTORY = 2

/** Deployment, or StatefulSet where there are volumes. Without the count: that has a field manager of its own. */
export function renderWorkload(workload: Workload, context: RenderContext): KubeObject {
  const kind = kindOf(workload)
  const { place } = workload
  return {
    apiVersion: apiVersionOf(kind),
    kind,
    metadata: { name: workloadName(place), namespace: place.namespace, labels: placeLabels(context.clusterId, place) },
    spec: {
      selector: { matchLabels: { [labels.application]: place.applicationId, [labels.workload]: kind } },
      template: renderPod(workload, context),
      revisionHistoryLimit: HISTORY,
      ...(kind === 'Deployment' ? { strategy: strategyOf(workload) } : statefulOf(workload, context)),
    },
  }
}

/** The count alone, applied by the count's own manager. */
export const renderCount = (workload: Workload, count: number): KubeObject => ({
  apiVersion: apiVersionOf(kindOf(workload)),
  kind: kindOf(workload),
  metadata: { name: workloadName(workload.place), namespace: workload.place.namespace },
  spec: { replicas: count },
})

function strategyOf({ settings }: Workload): Record<string, unknown> {
  // Left out, the fields that were ours go; sent as null they stay and are refused (measured with 1.35).
  if (settings.updateStrategy === 'recreate') return { type: 'Recreate' }
  const none = settings.maxSurgePercent === 0 && settings.maxUnavailablePercent === 0
  return {
    type: 'RollingUpdate',
    // Both 0 could never begin.
    rollingUpdate: { maxSurge: none ? 1 : `${settings.maxSurgePercent}%`, maxUnavailable: `${settings.maxUnavailablePercent}%` },
  }
}

/** Parallel: going back is not held up by the instance that is stuck (kubernetes#67250); updates are one by one all the same. */
function statefulOf(workload: Workload, { clusterId, options }: RenderContext): Record<string, unknown> {
  return {
    serviceName: serviceName(workload.place),
    podManagementPolicy: 'Parallel',
    updateStrategy: { type: 'RollingUpdate' },
    volumeClaimTemplates: workload.volumes.map((volume) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: volumeName(volume.id), labels: { ...placeLabels(clusterId, workload.place), [labels.volume]: volume.id } },
      spec: {
        accessModes: ['ReadWriteOnce'],
        ...(options.storageClass === null ? {} : { storageClassName: options.storageClass }),
        resources: { requests: { storage: `${volume.sizeGib}Gi` } },
      },
    })),
  }
}
