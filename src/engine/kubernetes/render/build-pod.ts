import { createHash } from 'node:crypto'
import { FOLDERS } from '../../../build/buildkit/workbench.ts'
import { systemNamespace, type KubernetesOptions } from '../../../model/cluster.ts'
import { annotations, labels } from '../label.ts'
import type { KubeObject } from '../object.ts'
import { REGISTRY } from './name.ts'
import type { RenderContext } from './pod.ts'

export type BuildPodRequest = {
  id: string
  application: string
  cpuMilli: number
  memoryGib: number
  ephemeralGib: number | null
  seconds: number
}

export const BUILD_CONTAINER = 'buildkit'
const OWN_CONFIG = '/etc/berth'
export const SOCKET = 'unix:///work/run/buildkitd.sock'

/** Part of a core that a build asks for at least: what it may use is its limit, and nodes are not kept free for it. */
const REQUEST_CPU = 100
const REQUEST_MEMORY = 256

/** Seconds during which a pod may begin builds: an old one makes place for a new one, and one that nobody drives any more has an end. */
export const LIFETIME = 3600

/** A pod for builds of one application, one at a time: buildkitd on a socket of its own, nothing that listens to the network, no token, gone at its deadline at the latest. */
export function renderBuildPod(request: BuildPodRequest, { clusterId, options }: RenderContext): KubeObject {
  const spec = renderSpec(request, options)
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: request.id,
      namespace: systemNamespace(clusterId.slice(0, 8)),
      labels: {
        [labels.managedBy]: 'berth',
        [labels.cluster]: clusterId,
        [labels.buildsFor]: request.application,
        [labels.build]: 'busy',
      },
      annotations: { [annotations.builderKind]: createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 16) },
    },
    spec,
  }
}

function renderSpec(request: BuildPodRequest, options: KubernetesOptions): Record<string, unknown> {
  const disk = request.ephemeralGib === null ? {} : { 'ephemeral-storage': `${request.ephemeralGib}Gi` }
  const daemon = ['buildkitd', '--addr', SOCKET, '--oci-worker-net=host', '--root', '/work/state']
  return {
    restartPolicy: 'Never',
    activeDeadlineSeconds: LIFETIME + request.seconds + 120,
    terminationGracePeriodSeconds: 0,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    containers: [
      {
        name: BUILD_CONTAINER,
        image: options.builderImage,
        command: options.rootlessBuilds ? ['rootlesskit', ...daemon, '--oci-worker-no-process-sandbox'] : daemon,
        securityContext: options.rootlessBuilds
          ? { runAsUser: 1000, runAsGroup: 1000, seccompProfile: { type: 'Unconfined' }, appArmorProfile: { type: 'Unconfined' } }
          : { privileged: true },
        resources: {
          requests: { cpu: `${Math.min(REQUEST_CPU, request.cpuMilli)}m`, memory: `${REQUEST_MEMORY}Mi`, ...disk },
          limits: { cpu: `${request.cpuMilli}m`, memory: `${request.memoryGib}Gi`, ...disk },
        },
        readinessProbe: {
          exec: { command: ['buildctl', '--addr', SOCKET, 'debug', 'workers'] },
          periodSeconds: 1,
          timeoutSeconds: 5,
          failureThreshold: 60,
        },
        volumeMounts: [
          { name: 'work', mountPath: '/work' },
          { name: 'secrets', mountPath: '/work/secrets' },
          { name: 'docker', mountPath: options.ownRegistry ? OWN_CONFIG : FOLDERS.docker, readOnly: options.ownRegistry !== null },
        ],
        // Where buildctl finds the password of the registry: what a Dockerfile runs sees another file system.
        env: [{ name: 'DOCKER_CONFIG', value: options.ownRegistry ? OWN_CONFIG : FOLDERS.docker }],
      },
    ],
    ...(options.rootlessBuilds ? { securityContext: { fsGroup: 1000 } } : {}),
    volumes: [
      { name: 'work', emptyDir: {} },
      { name: 'secrets', emptyDir: { medium: 'Memory', sizeLimit: '16Mi' } },
      options.ownRegistry
        ? { name: 'docker', secret: { secretName: REGISTRY, items: [{ key: 'config.json', path: 'config.json' }] } }
        : { name: 'docker', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    ],
  }
}
