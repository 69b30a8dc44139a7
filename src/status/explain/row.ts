import type { Explanation } from '../../model/deployment.ts'
import { shortened } from '../../model/text.ts'

/**
 * When waiting longer is of no use: `at-once`, or once it has lasted so many seconds (a registry may stumble, a node may come), or `never`.
 * Kubernetes' own retries of a pull are 10, 20, 40 s apart.
 */
export type Patience = 'at-once' | 'never' | number
/** What the engine says, in its words, and what that means. */
export type Row = { reason: RegExp; message?: RegExp; tell: (message: string) => Omit<Explanation, 'evidence'>; patience: Patience }
export const quoted = (message: string): string => shortened(message.replace(/\s+/g, ' ').trim(), 400)
