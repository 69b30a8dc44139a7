/** At most about `limit` characters: errors of programs begin with what was tried and end with the cause, so the middle is left out. */
export function shortened(text: string, limit: number): string {
  if (text.length <= limit) return text
  const head = Math.floor(limit / 3)
  return `${text.slice(0, head)} … ${text.slice(head - limit)}`
}
