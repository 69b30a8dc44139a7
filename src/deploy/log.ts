import type { Explanation } from '../model/deployment.ts'
import type { Db } from '../store/database.ts'
import { appendLog, LOG_LIMIT, type LogLine } from '../store/log.ts'

/** Milliseconds that lines are gathered before they are written: well under the second within which people see them. */
const GATHER = 150
/** Secrets shorter than this are not looked for: they would redact half of every line. */
const SHORTEST = 4

/** The log of one deployment: batched, capped, and redacted before anything is stored. */
export class DeploymentLog {
  readonly #db: Db
  readonly #deploymentId: string
  #secrets: string[] = []
  #pending: Omit<LogLine, 'at'>[] = []
  #count = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(db: Db, deploymentId: string) {
    this.#db = db
    this.#deploymentId = deploymentId
  }

  /** Values that no line may show from now on, in any of their lines. */
  hide(values: string[]): void {
    this.#secrets = [...new Set([...this.#secrets, ...values.flatMap((value) => [value, ...value.split('\n')])])]
      .filter((value) => value.trim().length >= SHORTEST)
      .sort((a, b) => b.length - a.length)
  }

  write(applicationId: string | null, step: string, message: string, error: Explanation | null = null): void {
    if (this.#count === LOG_LIMIT)
      this.#push({ applicationId, step, message: `… the log is cut here: it has ${LOG_LIMIT} lines`, error: null })
    if (this.#count >= LOG_LIMIT && error === null) return
    this.#push({
      applicationId,
      step,
      message: this.redact(message),
      error: error && (JSON.parse(this.redact(JSON.stringify(error))) as Explanation),
    })
  }

  redact(text: string): string {
    return this.#secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text)
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const lines = this.#pending.splice(0)
    this.#writing = this.#writing.then(() => appendLog(this.#db, this.#deploymentId, lines)).catch(() => undefined)
    await this.#writing
  }

  #push(line: Omit<LogLine, 'at'>): void {
    this.#count++
    this.#pending.push(line)
    this.#timer ??= setTimeout(() => void this.flush(), GATHER)
  }
}
