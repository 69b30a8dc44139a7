import { defineConfig } from 'vitest/config'

const folder = (name: string, timeout: number, parallel: boolean) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeout,
    hookTimeout: 120_000,
    fileParallelism: parallel,
    maxWorkers: parallel ? 2 : 1,
  },
})

/** Journeys share one Docker Engine and two cores: one file after the other. */
export default defineConfig({
  test: {
    projects: [
      folder('unit', 10_000, true),
      folder('golden', 10_000, true),
      folder('contract', 60_000, false),
      folder('journeys', 240_000, false),
    ],
  },
})
