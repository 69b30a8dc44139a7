import { spinner } from '@clack/prompts'

/** One line per step: a spinner on a terminal, plain lines otherwise, with the seconds it took. */
export async function step<T>(title: string, work: (say: (text: string) => void) => Promise<{ said: string; value: T }>): Promise<T> {
  const begun = Date.now()
  const shown = process.stdout.isTTY ? spinner() : null
  shown?.start(title)
  try {
    const { said, value } = await work((text) => (shown ? shown.message(`${title}: ${text}`) : process.stdout.write(`  … ${text}\n`)))
    const seconds = ((Date.now() - begun) / 1000).toFixed(1)
    if (shown) shown.stop(`${title}: ${said} (${seconds} s)`)
    else process.stdout.write(`${title}: ${said} (${seconds} s)\n`)
    return value
  } catch (error) {
    shown?.stop(`${title}: failed`)
    throw error
  }
}
