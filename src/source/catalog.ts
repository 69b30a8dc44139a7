import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { AddonManifest } from '../model/addon.ts'
import { AppError, messageOf } from '../model/error.ts'
import type { Egress } from './egress.ts'
import { send } from './http.ts'

/** Bytes of one file: the largest real one, Envoy Gateway's with its CRDs, has 3 MiB. Milliseconds for one from afar. */
const SIZE_LIMIT = 16 * 1024 * 1024
const LIMIT = 60_000

const path = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/, 'expected a path below the catalogue')
const shape = z.record(
  z.string(),
  z.strictObject({
    version: z.string().min(1).max(100),
    files: z
      .array(z.strictObject({ path, sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits') }))
      .min(1)
      .max(50),
  }),
)
type Contents = z.infer<typeof shape>

/** Pinned manifests of add-ons: `catalog.json` and the files that it names with their checksums, in a folder or below an address. */
export class Catalog {
  readonly #place: string | undefined
  readonly #egress: Egress

  constructor(place: string | undefined, egress: Egress) {
    this.#place = place
    this.#egress = egress
  }

  /** The version that the catalogue has of each add-on; empty where there is no catalogue. */
  async versions(): Promise<Map<string, string>> {
    if (this.#place === undefined) return new Map()
    return new Map(Object.entries(await this.#contents()).map(([name, { version }]) => [name, version]))
  }

  /** The texts of one add-on, each proven by its checksum. Throws what is missing or wrong. */
  async manifest(name: string): Promise<AddonManifest> {
    if (this.#place === undefined)
      throw new AppError(
        'invalid',
        `${name} is missing on the cluster, and Berth has no catalogue to take it from: set BERTH_ADDONS (bin/addons makes one), or install it yourself.`,
      )
    const contents = await this.#contents()
    const found = contents[name]
    if (!found)
      throw new AppError(
        'invalid',
        `The catalogue ${this.#place} has no ${name}; it has ${Object.keys(contents).join(', ') || 'nothing'}. Add it there, or install it on the cluster yourself.`,
      )
    const files: string[] = []
    for (const file of found.files) {
      const bytes = await this.#read(file.path)
      const sum = createHash('sha256').update(bytes).digest('hex')
      if (sum !== file.sha256)
        throw new AppError(
          'invalid',
          `${file.path} of the catalogue has the checksum ${sum}, expected ${file.sha256}: nothing was installed from it.`,
        )
      files.push(bytes.toString())
    }
    return { version: found.version, files }
  }

  async #contents(): Promise<Contents> {
    const text = (await this.#read('catalog.json')).toString()
    try {
      return shape.parse(JSON.parse(text))
    } catch (error) {
      const issue = error instanceof z.ZodError ? error.issues[0] : undefined
      throw new AppError(
        'invalid',
        `catalog.json of ${this.#place ?? ''} is wrong: ${issue ? `${issue.path.join('.')}: ${issue.message}` : messageOf(error)}`,
      )
    }
  }

  async #read(file: string): Promise<Buffer> {
    const place = this.#place ?? ''
    if (place.startsWith('https://')) {
      const answer = await send(this.#egress, 'GET', `${place.replace(/\/+$/, '')}/${file}`, {
        what: 'catalogue of add-ons',
        limit: LIMIT,
        size: SIZE_LIMIT,
      })
      if (answer.status !== 200)
        throw new AppError('unavailable', `The catalogue ${place} answered ${answer.status} when asked for ${file}.`)
      return answer.body
    }
    const name = join(place, file)
    const size = await stat(name).then(
      (found) => found.size,
      (error: unknown) => {
        throw new AppError('invalid', `The catalogue of add-ons cannot be read: ${messageOf(error)}`)
      },
    )
    if (size > SIZE_LIMIT) throw new AppError('invalid', `${name} has ${size} bytes, more than the ${SIZE_LIMIT} that a manifest may have.`)
    return readFile(name)
  }
}
