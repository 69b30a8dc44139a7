import { z } from 'zod'
import { invalid } from './error.ts'

export const scopes = ['project', 'environment', 'application'] as const
export type Scope = (typeof scopes)[number]

/** A variable as it is stored: its value, or a reference to a sealed one. */
export type Variable = {
  id: string
  organizationId: string
  scope: Scope
  parentId: string
  key: string
  value: string | null
  secret: SecretRef | null
  description: string
  createdAt: Date
  updatedAt: Date
}

export const secretRef = z.object({ id: z.string(), version: z.number() })
export type SecretRef = z.infer<typeof secretRef>

/** What a release holds of a variable: a literal, or a reference to one version of a sealed value. */
export type VariableValue = { literal: string } | { secret: SecretRef }

/** Longest value in characters: the kernel allows 128 KiB for one `KEY=value`. */
export const VALUE_LIMIT = 100_000

export function parseVariableKey(text: string, path: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_]{0,254}$/.test(text))
    throw invalid(path, `expected a key of letters, digits and _ that starts with a letter, found ${JSON.stringify(text.slice(0, 80))}`)
  if (text.startsWith('QOVERY_') || text.startsWith('BERTH_'))
    throw invalid(path, `expected a key that does not start with QOVERY_ or BERTH_ (built-in variables), found ${text}`)
  return text
}
