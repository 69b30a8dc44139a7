import { defineConfig } from 'vitest/config'

type Project = { include?: string[]; exclude?: string[]; environment?: Record<string, string> }

const folder = (name: string, of: { timeout: number; parallel: boolean } & Project) => ({
  test: {
    name,
    include: of.include ?? [`test/${name}/**/*.test.ts`],
    exclude: of.exclude ?? [],
    env: of.environment ?? {},
    // Ten times as much is done then.
    testTimeout: of.timeout * (process.env['LONG'] ? 10 : 1),
    hookTimeout: 180_000,
    fileParallelism: of.parallel,
    maxWorkers: of.parallel ? 2 : 1,
    // What is marked as concurrent waits for Kubernetes more than it works.
    maxConcurrency: 12,
  },
})

/** Journeys that say the same of every engine. */
const everywhere = ['git-push', 'running', 'sources', 'durable', 'secrets', 'grpc', 'shell', 'releases'].map(
  (name) => `test/journeys/${name}.test.ts`,
)
const onCluster = { environment: { ENGINE: 'kubernetes' }, parallel: false }

/** Journeys share one Docker Engine, one cluster and two cores: one file after the other. */
export default defineConfig({
  test: {
    projects: [
      folder('unit', { timeout: 10_000, parallel: true }),
      folder('golden', { timeout: 10_000, parallel: true }),
      folder('contract', { timeout: 120_000, parallel: false }),
      folder('journeys', { timeout: 240_000, parallel: false }),
      ...(process.env['CLUSTER'] === 'none'
        ? []
        : [
            folder('kubernetes', { timeout: 300_000, ...onCluster }),
            folder('journeys-kubernetes', { timeout: 300_000, ...onCluster, include: everywhere }),
          ]),
    ],
  },
})
