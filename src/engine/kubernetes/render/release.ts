import { AppError } from '../../../model/error.ts'
import type { Port } from '../../../model/port.ts'
import { dockerConfigOf, type PullAccess } from '../../../model/registry.ts'
import { revealed } from '../../../model/secret.ts'
import type { Workload } from '../../../model/workload.ts'
import { labels, placeLabels } from '../label.ts'
import { apiVersionOf, type KubeObject } from '../object.ts'
import { portName, pullSecretName, serviceName, variablesName, workloadName } from './name.ts'
import { kindOf, type RenderContext } from './pod.ts'
import { renderWorkload } from './workload.ts'

/** Bytes that a Secret may hold. */
const SECRET_LIMIT = 1024 * 1024
/** Share of the instances that a drain may take at a time; Kubernetes rounds up. */
const DISRUPTION = '20%'
/** Seconds of low use before instances are taken away again. */
const CALM = 300

/** Everything that runs a release, in the order in which it is applied. Routes are rendered for themselves: they follow once it is ready. */
export function renderRelease(workload: Workload, context: RenderContext): KubeObject[] {
  const meta = metadataOf(workload, context)
  return [
    renderVariables(workload, context),
    ...(workload.access === null ? [] : [renderPullSecret(workload, workload.access, context)]),
    ...(workload.ports.length === 0 ? [] : [renderService(workload, context, workload.ports)]),
    renderWorkload(workload, context),
    {
      apiVersion: apiVersionOf('PodDisruptionBudget'),
      kind: 'PodDisruptionBudget',
      metadata: meta(workloadName(workload.place)),
      spec: { maxUnavailable: DISRUPTION, unhealthyPodEvictionPolicy: 'AlwaysAllow', selector: selectorOf(workload) },
    },
    ...(isScaled(workload) ? [renderAutoscaler(workload, context)] : []),
  ]
}

const metadataOf =
  (workload: Workload, { clusterId }: RenderContext) =>
  (name: string) => ({ name, namespace: workload.place.namespace, labels: placeLabels(clusterId, workload.place) })
const selectorOf = (workload: Workload) => ({ matchLabels: { [labels.application]: workload.place.applicationId } })

/** Whether the cluster decides the count. Instances with volumes are never added by it: each would need a volume. */
export const isScaled = (workload: Workload): boolean => workload.scaling.kind === 'resource' && workload.volumes.length === 0

function renderVariables(workload: Workload, context: RenderContext): KubeObject {
  const values = Object.entries(workload.environment).map(([key, value]) => [key, Buffer.from(revealed(value)).toString('base64')] as const)
  const size = values.reduce((sum, [key, value]) => sum + key.length + value.length, 0)
  if (size > SECRET_LIMIT)
    throw new AppError(
      'invalid',
      `The variables of this application have ${Math.ceil(size / 1024)} KiB together; a cluster keeps 1024 KiB at most. Make some of them shorter.`,
      'variables',
    )
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadataOf(workload, context)(variablesName(workload.place, workload.revision)),
    type: 'Opaque',
    immutable: true,
    data: Object.fromEntries(values),
  }
}

function renderPullSecret(workload: Workload, access: PullAccess, context: RenderContext): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadataOf(workload, context)(pullSecretName(workload.place, workload.revision)),
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(dockerConfigOf(access)).toString('base64') },
  }
}

export function renderService(workload: Pick<Workload, 'place'>, { clusterId }: RenderContext, ports: Port[]): KubeObject {
  const { place } = workload
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: serviceName(place), namespace: place.namespace, labels: placeLabels(clusterId, place) },
    spec: {
      type: 'ClusterIP',
      selector: { [labels.application]: place.applicationId },
      ports: ports.map((port) => ({
        name: portName(port),
        port: port.internal,
        targetPort: port.internal,
        protocol: port.protocol === 'udp' ? 'UDP' : 'TCP',
        ...(port.protocol === 'grpc' ? { appProtocol: 'kubernetes.io/h2c' } : port.protocol === 'http' ? { appProtocol: 'http' } : {}),
      })),
    },
  }
}

function renderAutoscaler(workload: Workload, context: RenderContext): KubeObject {
  const { scaling, settings, place } = workload
  if (scaling.kind !== 'resource') throw new AppError('internal', 'only resource scaling has an autoscaler')
  const metric = (name: string, percent: number) => ({
    type: 'Resource',
    resource: { name, target: { type: 'Utilization', averageUtilization: percent } },
  })
  const { cpuPercent, memoryPercent } = settings.scaleAt
  return {
    apiVersion: apiVersionOf('HorizontalPodAutoscaler'),
    kind: 'HorizontalPodAutoscaler',
    metadata: metadataOf(workload, context)(workloadName(place)),
    spec: {
      scaleTargetRef: { apiVersion: apiVersionOf(kindOf(workload)), kind: kindOf(workload), name: workloadName(place) },
      minReplicas: scaling.min,
      maxReplicas: scaling.max,
      metrics: [metric('cpu', cpuPercent), ...(memoryPercent === null ? [] : [metric('memory', memoryPercent)])],
      behavior: { scaleDown: { stabilizationWindowSeconds: CALM } },
    },
  }
}
