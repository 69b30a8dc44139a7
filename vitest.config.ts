import { defineConfig } from 'vitest/config'

type Project = { include?: string[]; exclude?: string[]; environment?: Record<string, string> }

/** Projects of one group run together, two files at a time; the groups one after the other. */
type Group = 'quick' | 'together' | 'alone'
const groups: Record<Group, { groupOrder: number; maxWorkers: number }> = {
  quick: { groupOrder: 0, maxWorkers: 2 },
  together: { groupOrder: 1, maxWorkers: 2 },
  alone: { groupOrder: 2, maxWorkers: 1 },
}

const folder = (name: string, of: { timeout: number; group: Group } & Project) => ({
  test: {
    name,
    include: of.include ?? [`test/${name}/**/*.test.ts`],
    exclude: of.exclude ?? [],
    env: of.environment ?? {},
    // Ten times as much is done then.
    testTimeout: of.timeout * (process.env['LONG'] ? 10 : 1),
    hookTimeout: 180_000,
    maxWorkers: groups[of.group].maxWorkers,
    sequence: { groupOrder: groups[of.group].groupOrder },
    // What is marked as concurrent waits for Kubernetes more than it works.
    maxConcurrency: 12,
  },
})

/** Journeys that say the same of every engine. */
const everywhere = ['git-push', 'running', 'sources', 'durable', 'secrets', 'grpc', 'shell', 'releases'].map(
  (name) => `test/journeys/${name}.test.ts`,
)
/** What breaks the cluster, changes its nodes, or counts what is left of it. */
const alone = ['chaos', 'building', 'placement', 'scale'].map((name) => `test/kubernetes/${name}.test.ts`)
const onCluster = { timeout: 300_000, environment: { ENGINE: 'kubernetes' } }

/** Journeys wait more than they work: two share the Docker Engine, the cluster and two cores. */
export default defineConfig({
  test: {
    globalSetup: 'test/harness/scratch.ts',
    projects: [
      folder('unit', { timeout: 10_000, group: 'quick' }),
      folder('golden', { timeout: 10_000, group: 'quick' }),
      folder('contract', { timeout: 120_000, group: 'together' }),
      folder('journeys', { timeout: 240_000, group: 'together' }),
      ...(process.env['CLUSTER'] === 'none'
        ? []
        : [
            folder('kubernetes', { ...onCluster, group: 'together', exclude: alone }),
            folder('journeys-kubernetes', { ...onCluster, group: 'together', include: everywhere }),
            folder('kubernetes-alone', { ...onCluster, group: 'alone', include: alone }),
          ]),
    ],
  },
})
