import type { Place, Target, Workload } from '../../model/workload.ts'

/** Everything we create carries these; removal removes exactly what does. No value of a variable is ever a label. */
export const labels = {
  cluster: 'berth.cluster',
  organization: 'berth.organization',
  project: 'berth.project',
  environment: 'berth.environment',
  application: 'berth.application',
  name: 'berth.name',
  revision: 'berth.revision',
  generation: 'berth.generation',
  index: 'berth.index',
  runtime: 'berth.runtime',
  volume: 'berth.volume',
} as const

/** What observing and stopping an instance needs to know, carried by the instance itself so that it survives everything else. */
export type Runtime = Pick<Workload, 'readiness' | 'liveness'> & Pick<Workload['settings'], 'gracePeriod' | 'preStop'>

export const placeLabels = (clusterId: string, place: Place): Record<string, string> => ({
  [labels.cluster]: clusterId,
  [labels.organization]: place.organizationId,
  [labels.project]: place.projectId,
  [labels.environment]: place.environmentId,
  [labels.application]: place.applicationId,
  [labels.name]: place.name,
})

export function instanceLabels(clusterId: string, workload: Workload, target: Target): Record<string, string> {
  const runtime: Runtime = {
    readiness: workload.readiness,
    liveness: workload.liveness,
    gracePeriod: workload.settings.gracePeriod,
    preStop: workload.settings.preStop,
  }
  return {
    ...placeLabels(clusterId, workload.place),
    [labels.revision]: String(target.revision),
    [labels.generation]: String(target.generation),
    [labels.index]: String(target.index),
    [labels.runtime]: JSON.stringify(runtime),
  }
}

export const targetIn = (found: Record<string, string>): Target => ({
  revision: Number(found[labels.revision]),
  generation: Number(found[labels.generation]),
  index: Number(found[labels.index]),
})

export const runtimeIn = (found: Record<string, string>): Runtime =>
  JSON.parse(found[labels.runtime] ?? '{"readiness":null,"liveness":null,"gracePeriod":10,"preStop":[]}') as Runtime

export const filters = (...found: string[]): string => encodeURIComponent(JSON.stringify({ label: found }))
