import { createHash } from 'node:crypto'
import { canonical } from '../release/digest.ts'

/** Equal keys, equal images: the same inputs are not built twice. Secrets enter as HMACs. */
export function buildKey(inputs: {
  tree: string
  dockerfilePath: string
  arguments: Record<string, string>
  secrets: Record<string, string>
  target: string | null
  platform: string
  builder: string
  bases: Record<string, string | null>
}): string {
  return createHash('sha256').update(canonical(inputs)).digest('hex')
}
