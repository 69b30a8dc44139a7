import { z } from 'zod'

/** The advanced settings that take effect here; times in seconds. `api/advanced-settings.ts` names the contract's key of each. */
export const settings = z.object({
  build: z.object({ timeout: z.number(), cpuMilli: z.number(), memoryGib: z.number(), noCache: z.boolean() }),
  gracePeriod: z.number(),
  updateStrategy: z.enum(['rolling', 'recreate']),
  maxUnavailablePercent: z.number(),
  maxSurgePercent: z.number(),
  preStop: z.array(z.string()),
  readOnlyRoot: z.boolean(),
})
export type Settings = z.infer<typeof settings>

export const defaultSettings: Settings = {
  build: { timeout: 1800, cpuMilli: 4000, memoryGib: 8, noCache: false },
  gracePeriod: 60,
  updateStrategy: 'rolling',
  maxUnavailablePercent: 25,
  maxSurgePercent: 25,
  preStop: [],
  readOnlyRoot: false,
}
