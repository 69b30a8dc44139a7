import type { Condition, KubeObject } from '../object.ts'

type Status = {
  conditions?: Condition[]
  observedGeneration?: number
  replicas?: number
  updatedReplicas?: number
  availableReplicas?: number
  readyReplicas?: number
  desiredNumberScheduled?: number
  numberAvailable?: number
}

/** Why an object of an add-on does not do its work yet; null where it does, or is of a kind that has nothing to wait for. */
export function waitsFor(live: KubeObject): string | null {
  const status = (live['status'] ?? {}) as Status
  const condition = (type: string): string | null => {
    const found = status.conditions?.find((one) => one.type === type)
    return found?.status === 'True' ? null : (found?.message ?? `it is not ${type} yet`)
  }
  const wanted = ((live['spec'] ?? {}) as { replicas?: number }).replicas ?? 1
  const seen = (status.observedGeneration ?? 0) >= (live.metadata.generation ?? 0)
  switch (live.kind) {
    case 'CustomResourceDefinition':
      return condition('Established')
    case 'APIService':
      return condition('Available')
    case 'GatewayClass':
      return condition('Accepted')
    case 'ClusterIssuer':
    case 'Issuer':
    case 'Certificate':
      return condition('Ready')
    case 'Deployment':
      return seen && (status.updatedReplicas ?? 0) >= wanted ? condition('Available') : 'its new pods are not there yet'
    case 'StatefulSet':
      return seen && (status.readyReplicas ?? 0) >= wanted ? null : `${status.readyReplicas ?? 0} of ${wanted} pods are ready`
    case 'DaemonSet':
      return seen && (status.numberAvailable ?? 0) >= (status.desiredNumberScheduled ?? 0)
        ? null
        : `${status.numberAvailable ?? 0} of ${status.desiredNumberScheduled ?? 0} pods are available`
    case 'Job':
      return condition('Complete')
    default:
      return null
  }
}

/** What holds the pods of a Deployment, StatefulSet, DaemonSet or Job up, in the cluster's words. */
export function troubleOf(pods: KubeObject[]): string | null {
  for (const pod of pods) {
    const status = (pod['status'] ?? {}) as {
      conditions?: Condition[]
      containerStatuses?: { name: string; state?: { waiting?: { reason?: string; message?: string } } }[]
    }
    const unscheduled = status.conditions?.find((one) => one.type === 'PodScheduled' && one.status === 'False')
    if (unscheduled) return `${pod.metadata.name}: ${unscheduled.message ?? unscheduled.reason ?? 'it is not scheduled'}`
    const waiting = status.containerStatuses?.find((one) => one.state?.waiting?.reason !== undefined)?.state?.waiting
    if (waiting && waiting.reason !== 'ContainerCreating' && waiting.reason !== 'PodInitializing')
      return `${pod.metadata.name}: ${waiting.reason}${waiting.message ? `: ${waiting.message}` : ''}`
  }
  return null
}
