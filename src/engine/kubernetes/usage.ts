import { AppError } from '../../model/error.ts'
import type { Place } from '../../model/workload.ts'
import type { Usage } from '../port.ts'
import type { KubeClient } from './client.ts'
import { isMissing, KubernetesError } from './error.ts'
import { labels, selector } from './label.ts'

type PodMetrics = { metadata: { name: string }; containers: { name: string; usage: { cpu: string; memory: string } }[] }

/** What the instances of an application use, as metrics-server measured it (every 15 s by default). */
export async function usageOf(client: KubeClient, place: Place): Promise<Usage[]> {
  const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${place.namespace}/pods?labelSelector=${selector({ [labels.application]: place.applicationId })}`
  try {
    const found = await client.call<{ items: PodMetrics[] }>('GET', path, { patience: 2000 })
    return found.items.map((pod) => ({
      instance: pod.metadata.name,
      cpuMilli: Math.round(pod.containers.reduce((sum, one) => sum + quantity(one.usage.cpu), 0) * 1000),
      memoryMib: Math.round(pod.containers.reduce((sum, one) => sum + quantity(one.usage.memory), 0) / 2 ** 20),
    }))
  } catch (error) {
    if (isMissing(error))
      throw new AppError(
        'unavailable',
        'This cluster does not measure what instances use: install metrics-server (berth cluster check shows what is missing).',
      )
    // The API server answers for metrics-server, which is behind it.
    if (error instanceof KubernetesError && error.status === 503)
      throw new AppError(
        'unavailable',
        `The cluster's metrics-server does not answer at the moment (${error.message.trim()}): try again, or look at its pod in kube-system.`,
      )
    throw error
  }
}

const UNITS: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
}

/** A Kubernetes quantity as a number: `250m` is 0.25, `64Mi` 67108864. */
export function quantity(text: string): number {
  const [, number = '0', unit = ''] = /^(\d+(?:\.\d+)?)([a-zA-Z]*)$/.exec(text) ?? []
  return Number(number) * (UNITS[unit] ?? 1)
}
