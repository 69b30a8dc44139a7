import { randomUUID } from 'node:crypto'

/** Ids are random UUIDv4: the contract derives names from the first 8 hex digits, so time-ordered ids would collide. */
export const newId = (): string => randomUUID()

/** The first UUID segment: 8 hex digits, unique among the live things of one parent (kept so by the store). */
export const shortId = (id: string): string => id.slice(0, 8)

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
export const isId = (text: string): boolean => uuid.test(text)
