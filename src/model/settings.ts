import { z } from 'zod'

const command = z.array(z.string())

/**
 * The advanced settings that take effect here; times in seconds. `api/advanced-settings.ts` names the contract's key of each.
 * One that came later has a default, by which older releases are read.
 */
export const settings = z.object({
  build: z.object({
    timeout: z.number(),
    cpuMilli: z.number(),
    memoryGib: z.number(),
    ephemeralGib: z.number().nullable().default(null),
    noCache: z.boolean(),
  }),
  gracePeriod: z.number(),
  updateStrategy: z.enum(['rolling', 'recreate']),
  maxUnavailablePercent: z.number(),
  maxSurgePercent: z.number(),
  postStart: command.default([]),
  preStop: command,
  readOnlyRoot: z.boolean(),
  /** Labels a node must have. */
  nodeLabels: z.record(z.string(), z.string()).default({}),
  /** Whether instances must, or only had better, be on different nodes. */
  apart: z.enum(['preferred', 'required']).default('preferred'),
  zoneSpread: z.enum(['disabled', 'preferred', 'required']).default('disabled'),
  /** Limits where they are to differ from what is requested; null = the same. */
  limits: z.object({ cpuMilli: z.number().nullable(), memoryMib: z.number().nullable() }).default({ cpuMilli: null, memoryMib: null }),
  /** Percent of what is requested, at which `resource` scaling adds instances; null = not looked at. */
  scaleAt: z.object({ cpuPercent: z.number(), memoryPercent: z.number().nullable() }).default({ cpuPercent: 60, memoryPercent: null }),
  serviceAccount: z.string().nullable().default(null),
  mountToken: z.boolean().default(false),
  ndots: z.number().nullable().default(null),
  redirectToHttps: z.boolean().default(true),
})
export type Settings = z.infer<typeof settings>

export const defaultSettings: Settings = settings.parse({
  build: { timeout: 1800, cpuMilli: 4000, memoryGib: 8, noCache: false },
  gracePeriod: 60,
  updateStrategy: 'rolling',
  maxUnavailablePercent: 25,
  maxSurgePercent: 25,
  preStop: [],
  readOnlyRoot: false,
})
