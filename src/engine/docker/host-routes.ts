import { readFileSync } from 'node:fs'

/** Columns of `/proc/net/route`: destination and mask as 8 hex digits in the machine's (little-endian) order. */
const DESTINATION = 1
const MASK = 7

/** The IPv4 networks that this machine has routes to (VPNs, bridges of others): an environment must not take any of them. */
export function hostRoutes(table = readTable()): string[] {
  const rows = table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
  return rows
    .filter((row) => row.length > MASK && row[MASK] !== '00000000')
    .map((row) => `${addressOf(row[DESTINATION] ?? '')}/${prefixOf(row[MASK] ?? '')}`)
}

function readTable(): string {
  try {
    return readFileSync('/proc/net/route', 'utf8')
  } catch {
    return ''
  }
}

const bytes = (hex: string): number[] => [6, 4, 2, 0].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
const addressOf = (hex: string): string => bytes(hex).join('.')
const prefixOf = (hex: string): number => bytes(hex).reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0)
