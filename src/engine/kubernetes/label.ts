import type { Place, Target } from '../../model/workload.ts'

/** Everything we create carries these; no value of a variable is ever a label. */
export const labels = {
  managedBy: 'app.kubernetes.io/managed-by',
  cluster: 'berth/cluster',
  organization: 'berth/organization',
  project: 'berth/project',
  environment: 'berth/environment',
  application: 'berth/application',
  workload: 'berth/workload',
  revision: 'berth/revision',
  generation: 'berth/generation',
  volume: 'berth/volume',
  /** `busy` or `idle`. */
  build: 'berth/build',
  /** Not `berth/application`: a builder is no instance of it. */
  buildsFor: 'berth/builds-for',
} as const

export const annotations = {
  /** What a builder is made from: equal ones can do the same builds. */
  builderKind: 'berth/builder-kind',
  /** When a builder's last build ended. */
  idleSince: 'berth/idle-since',
  /** When the registry of the cluster began to be cleaned; on its pod while that goes on. */
  cleanedSince: 'berth/cleaned-since',
} as const

export const environmentLabels = (
  clusterId: string,
  place: Pick<Place, 'organizationId' | 'projectId' | 'environmentId'>,
): Record<string, string> => ({
  [labels.managedBy]: 'berth',
  [labels.cluster]: clusterId,
  [labels.organization]: place.organizationId,
  [labels.project]: place.projectId,
  [labels.environment]: place.environmentId,
})

/** Of what an environment's namespace has, the labels that Berth gave it. */
export const ownLabels = (found: Record<string, string> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(found).filter(([key]) => key === labels.managedBy || key.startsWith('berth/')))

export const placeLabels = (clusterId: string, place: Place): Record<string, string> => ({
  ...environmentLabels(clusterId, place),
  [labels.application]: place.applicationId,
})

export const rolloutLabels = (rollout: Pick<Target, 'revision' | 'generation'>): Record<string, string> => ({
  [labels.revision]: String(rollout.revision),
  [labels.generation]: String(rollout.generation),
})

export const rolloutIn = (found: Record<string, string> | undefined): Pick<Target, 'revision' | 'generation'> => ({
  revision: Number(found?.[labels.revision] ?? 0),
  generation: Number(found?.[labels.generation] ?? 0),
})

/** `key=value,…` as a query parameter. */
export const selector = (wanted: Record<string, string>): string =>
  encodeURIComponent(
    Object.entries(wanted)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
  )
