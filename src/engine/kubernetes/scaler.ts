import type { Scaler } from '../../model/observation.ts'
import type { Condition, KubeObject } from './object.ts'

/** What an autoscaler says of itself; null where there is none, or it has said nothing yet. */
export function scalerOf(objects: KubeObject[]): Scaler | null {
  const found = objects.find((one) => one.kind === 'HorizontalPodAutoscaler')
  const conditions = (found?.['status'] as { conditions?: Condition[] } | undefined)?.conditions
  if (!found || !conditions) return null
  const limit = (found['spec'] as { maxReplicas: number }).maxReplicas
  const active = conditions.find((one) => one.type === 'ScalingActive')
  // Zero instances are a stopped application: there is nothing to scale.
  if (active?.status === 'False' && active.reason !== 'ScalingDisabled') return { state: 'blind', limit, message: active.message ?? '' }
  const limited = conditions.find((one) => one.type === 'ScalingLimited' && one.status === 'True')
  return limited?.reason === 'TooManyReplicas'
    ? { state: 'most', limit, message: limited.message ?? '' }
    : { state: 'scales', limit, message: '' }
}
