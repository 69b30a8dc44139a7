import { referenceOf } from '../../../model/image.ts'
import { revealed } from '../../../model/secret.ts'
import type { Target, Workload } from '../../../model/workload.ts'
import { instanceLabels } from '../label.ts'

export type ContainerInput = { clusterId: string; network: string; address: string; workload: Workload; target: Target }

/** Log files per instance: 3 of 10 MB. Non-blocking: an application that floods its log loses lines, not time. */
const LOG = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3', mode: 'non-blocking', 'max-buffer-size': '4m' } }
/** Processes and threads of one instance: enough for large runtimes, too few for a fork bomb to harm the machine. */
const PIDS = 4096

/** One instance as Docker's `POST /containers/create` takes it. */
export function renderContainer({ clusterId, network, address, workload, target }: ContainerInput): Record<string, unknown> {
  const variables = Object.entries(workload.environment).map(([key, value]) => `${key}=${revealed(value)}`)
  return {
    Image: referenceOf(workload.image),
    ...(workload.entrypoint === null ? {} : { Entrypoint: [workload.entrypoint] }),
    ...(workload.arguments.length === 0 ? {} : { Cmd: workload.arguments }),
    Env: variables,
    Labels: instanceLabels(clusterId, workload, target),
    StopTimeout: workload.settings.gracePeriod,
    HostConfig: {
      NanoCpus: workload.cpuMilli * 1_000_000,
      Memory: workload.memoryMib * 1024 * 1024,
      MemorySwap: workload.memoryMib * 1024 * 1024,
      PidsLimit: PIDS,
      RestartPolicy: { Name: 'unless-stopped' },
      LogConfig: LOG,
      Init: true,
      ReadonlyRootfs: workload.settings.readOnlyRoot,
      ...(workload.settings.readOnlyRoot ? { Tmpfs: { '/tmp': '' } } : {}),
      SecurityOpt: ['no-new-privileges'],
      NetworkMode: network,
      Mounts: workload.volumes.map((volume) => ({
        Type: 'volume',
        Source: volumeName(workload.place.name, volume.id, target.index),
        Target: volume.mountPath,
      })),
      ...(workload.gpu > 0 ? { DeviceRequests: [{ Driver: 'nvidia', Count: workload.gpu, Capabilities: [['gpu']] }] } : {}),
    },
    NetworkingConfig: { EndpointsConfig: { [network]: { IPAMConfig: { IPv4Address: address }, Aliases: [workload.place.name] } } },
  }
}

/** One volume per instance, kept over deployments: named by index, not by release. */
export const volumeName = (application: string, volumeId: string, index: number): string =>
  `${application}-${volumeId.slice(0, 8)}-${index}`
