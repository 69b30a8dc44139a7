import { randomInt } from 'node:crypto'
import { invalid } from './error.ts'

const label = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/

/** A DNS label: lower-case letters, digits and hyphens, at most 63, no hyphen at either end. */
export const isDnsLabel = (text: string): boolean => text.length <= 63 && label.test(text)

/** Application names become host names, so they must fit a DNS label once lower-cased and with spaces and underscores as hyphens. */
export function parseServiceName(text: string, path: string): string {
  if (text.length > 63 || !isDnsLabel(slug(text)) || !/^[A-Za-z0-9][A-Za-z0-9 _-]*$/.test(text))
    throw invalid(
      path,
      `expected a name of letters, digits and hyphens (at most 63, starting and ending with a letter or digit), found ${JSON.stringify(text.slice(0, 80))}`,
    )
  return text
}

export const slug = (text: string): string => text.toLowerCase().replace(/[ _]+/g, '-')

/** Letters that cannot be misread in an address. */
const ALPHABET = 'abcdefghjkmnpqrstuvwxyz23456789'

/** `<name>-<6 random letters>`, 57 characters at most, so that `<port>-` still fits in front of short names. */
export function newAddressLabel(name: string): string {
  const random = Array.from({ length: 6 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
  return `${slug(name).slice(0, 40).replace(/-+$/, '')}-${random}`
}
