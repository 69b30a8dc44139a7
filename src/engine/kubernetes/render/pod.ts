import { referenceOf } from '../../../model/image.ts'
import type { KubernetesOptions } from '../../../model/cluster.ts'
import { isWeb } from '../../../model/port.ts'
import type { Workload } from '../../../model/workload.ts'
import { labels, placeLabels, rolloutLabels } from '../label.ts'
import { CONTAINER, portName, pullSecretName, variablesName, volumeName } from './name.ts'
import { renderLiveness, renderProbe } from './probe.ts'

export type RenderContext = { clusterId: string; options: KubernetesOptions }
type Rendered = Record<string, unknown>

/** Seconds between taking an instance out of the gateway and SIGTERM, so that requests already on their way still arrive; half its grace period where that is less. */
const DRAIN = 3
/** Group that owns volumes, so that programs of any user can write to them. */
const VOLUME_GROUP = 1000

/** The template from which all instances of a release are made. Equal input, equal template: going back finds the instances that are there. */
export function renderPod(workload: Workload, { clusterId, options }: RenderContext): Rendered {
  const { settings } = workload
  const { preStop, gracePeriod } = settings
  return {
    metadata: { labels: { ...placeLabels(clusterId, workload.place), [labels.workload]: kindOf(workload), ...rolloutLabels(workload) } },
    spec: {
      containers: [renderContainer(workload, options, preStop.length > 0 ? { exec: { command: preStop } } : drainOf(workload))],
      ...(workload.access === null ? {} : { imagePullSecrets: [{ name: pullSecretName(workload.place, workload.revision) }] }),
      terminationGracePeriodSeconds: gracePeriod,
      enableServiceLinks: false,
      automountServiceAccountToken: settings.mountToken,
      ...(settings.serviceAccount === null ? {} : { serviceAccountName: settings.serviceAccount }),
      securityContext: {
        seccompProfile: { type: 'RuntimeDefault' },
        ...(options.podSecurity === 'restricted' ? { runAsNonRoot: true } : {}),
        ...(workload.volumes.length > 0 ? { fsGroup: VOLUME_GROUP, fsGroupChangePolicy: 'OnRootMismatch' } : {}),
      },
      ...(workload.architecture === null ? {} : { nodeSelector: { 'kubernetes.io/arch': workload.architecture } }),
      ...(workload.gpu > 0 ? { tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' }] } : {}),
      affinity: renderAffinity(workload),
      ...renderSpread(workload),
      ...(settings.ndots === null ? {} : { dnsConfig: { options: [{ name: 'ndots', value: String(settings.ndots) }] } }),
      ...(settings.readOnlyRoot ? { volumes: [{ name: 'tmp', emptyDir: {} }] } : {}),
    },
  }
}

/** What an application with volumes is made of: one volume per instance. */
export const kindOf = (workload: Pick<Workload, 'volumes'>): 'Deployment' | 'StatefulSet' =>
  workload.volumes.length > 0 ? 'StatefulSet' : 'Deployment'

function renderContainer(workload: Workload, options: KubernetesOptions, preStop: Rendered | null): Rendered {
  const { settings } = workload
  const hooks = {
    ...(settings.postStart.length > 0 ? { postStart: { exec: { command: settings.postStart } } } : {}),
    ...(preStop === null ? {} : { preStop }),
  }
  return {
    name: CONTAINER,
    image: referenceOf(workload.image),
    ...(workload.entrypoint === null ? {} : { command: [literal(workload.entrypoint)] }),
    ...(workload.arguments.length === 0 ? {} : { args: workload.arguments.map(literal) }),
    envFrom: [{ secretRef: { name: variablesName(workload.place, workload.revision) } }],
    ...(workload.ports.length === 0
      ? {}
      : {
          ports: workload.ports.map((port) => ({
            name: portName(port),
            containerPort: port.internal,
            protocol: port.protocol === 'udp' ? 'UDP' : 'TCP',
          })),
        }),
    resources: renderResources(workload),
    ...(workload.readiness === null ? {} : { readinessProbe: renderProbe(workload.readiness) }),
    ...(workload.liveness === null ? {} : renderLiveness(workload.liveness)),
    ...(Object.keys(hooks).length === 0 ? {} : { lifecycle: hooks }),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: settings.readOnlyRoot,
      ...(options.podSecurity === 'restricted' ? { capabilities: { drop: ['ALL'] } } : {}),
    },
    ...renderMounts(workload),
  }
}

/** Kubernetes would replace `$(NAME)` in commands; what is given is what the program gets, on every engine. */
const literal = (text: string): string => text.replaceAll('$(', () => '$$(')

function drainOf(workload: Workload): Rendered | null {
  const seconds = Math.min(DRAIN, Math.floor(workload.settings.gracePeriod / 2))
  return seconds > 0 && workload.ports.some((port) => port.public && isWeb(port)) ? { sleep: { seconds } } : null
}

function renderResources({ cpuMilli, memoryMib, ephemeralGib, gpu, settings }: Workload): Rendered {
  const disk = ephemeralGib === null ? {} : { 'ephemeral-storage': `${ephemeralGib}Gi` }
  return {
    requests: { cpu: `${cpuMilli}m`, memory: `${memoryMib}Mi`, ...disk },
    limits: {
      cpu: `${Math.max(cpuMilli, settings.limits.cpuMilli ?? cpuMilli)}m`,
      memory: `${Math.max(memoryMib, settings.limits.memoryMib ?? memoryMib)}Mi`,
      ...disk,
      ...(gpu > 0 ? { 'nvidia.com/gpu': String(gpu) } : {}),
    },
  }
}

function renderMounts(workload: Workload): Rendered {
  const mounts = [
    ...workload.volumes.map((volume) => ({ name: volumeName(volume.id), mountPath: volume.mountPath })),
    ...(workload.settings.readOnlyRoot ? [{ name: 'tmp', mountPath: '/tmp' }] : []),
  ]
  return mounts.length === 0 ? {} : { volumeMounts: mounts }
}

/** Instances of one rollout, so that those it replaces do not stand in its way. */
const siblings = (workload: Workload): Rendered => ({
  matchLabels: { [labels.application]: workload.place.applicationId, ...rolloutLabels(workload) },
})

function renderAffinity(workload: Workload): Rendered {
  const { nodeLabels, apart } = workload.settings
  const term = { labelSelector: siblings(workload), topologyKey: 'kubernetes.io/hostname' }
  const nodes = Object.entries(nodeLabels).map(([key, value]) => ({
    key,
    operator: 'In',
    values: value.split(',').map((one) => one.trim()),
  }))
  return {
    ...(nodes.length === 0
      ? {}
      : { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: nodes }] } } }),
    podAntiAffinity:
      apart === 'required'
        ? { requiredDuringSchedulingIgnoredDuringExecution: [term] }
        : { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term }] },
  }
}

function renderSpread(workload: Workload): Rendered {
  const { zoneSpread } = workload.settings
  if (zoneSpread === 'disabled') return {}
  return {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: zoneSpread === 'required' ? 'DoNotSchedule' : 'ScheduleAnyway',
        labelSelector: siblings(workload),
      },
    ],
  }
}
