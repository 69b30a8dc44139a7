import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { parse } from 'yaml'

type Document = {
  paths: Record<string, Record<string, { responses?: Record<string, { content?: Record<string, { schema?: unknown }> }> }>>
  components?: unknown
}
export type Checked = { method: string; path: string; status: number; body: unknown }

const published = resolve(import.meta.dirname, '../../../shared/contract/openapi.yaml')

/** OpenAPI 3.0 says `nullable`, JSON Schema says `null`. Its `oneOf`s are not exclusive (several alternatives require nothing), so one match or more is meant. */
function translate(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(translate)
  if (value === null || typeof value !== 'object') return value
  const { nullable, example: _example, discriminator: _discriminator, oneOf, ...others } = value as Record<string, unknown>
  const rest = oneOf === undefined ? others : { ...others, anyOf: oneOf }
  const schema = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, translate(item)]))
  return nullable === true ? { anyOf: [{ type: 'null' }, schema] } : schema
}

/** Validates answers against a document; routes that it does not know are none of its business. */
export class ContractCheck {
  readonly #document: Document
  readonly #ajv: Ajv
  readonly #compiled = new Map<string, ValidateFunction | null>()
  readonly #templates: { pattern: RegExp; path: string }[]
  seen = 0

  constructor(document: Document, dialect: 'published' | 'own') {
    this.#document = (dialect === 'published' ? translate(document) : document) as Document
    this.#ajv = dialect === 'published' ? new Ajv({ strict: false, allErrors: false }) : (new Ajv2020({ strict: false }) as unknown as Ajv)
    formats.default(this.#ajv)
    this.#ajv.addSchema({ $id: 'doc', ...(this.#document as object) })
    this.#templates = Object.keys(document.paths)
      .map((path) => ({ path, pattern: new RegExp(`^${path.replace(/\{[^}]+\}/g, '[^/]+')}$`) }))
      .sort((a, b) => a.path.split('{').length - b.path.split('{').length)
  }

  /** Null, or what is wrong with the answer. */
  check({ method, path, status, body }: Checked): string | null {
    const validate = this.#validator(method.toLowerCase(), path.split('?')[0] ?? '', status)
    if (!validate) return null
    this.seen++
    return validate(body)
      ? null
      : `${method} ${path} ${status}: ${this.#ajv.errorsText(validate.errors)} in ${JSON.stringify(body).slice(0, 600)}`
  }

  #validator(method: string, path: string, status: number): ValidateFunction | null {
    const template = this.#templates.find((one) => one.pattern.test(path) && this.#document.paths[one.path]?.[method])?.path
    if (!template) return null
    const key = `${method} ${template} ${status}`
    if (!this.#compiled.has(key)) {
      const known =
        this.#document.paths[template]?.[method]?.responses?.[String(status)]?.content?.['application/json']?.schema !== undefined
      const pointer = `doc#/paths/${template.replaceAll('~', '~0').replaceAll('/', '~1')}/${method}/responses/${status}/content/application~1json/schema`
      this.#compiled.set(key, known ? this.#ajv.compile({ $ref: encodeURI(pointer).replaceAll('%25', '%') }) : null)
    }
    return this.#compiled.get(key) ?? null
  }
}

/** The published contract, where its file is at hand. */
export const publishedContract = (): ContractCheck | null =>
  existsSync(published) ? new ContractCheck(parse(readFileSync(published, 'utf8'), { maxAliasCount: -1 }) as Document, 'published') : null
export const ownContract = async (apiUrl: string): Promise<ContractCheck> =>
  new ContractCheck((await (await fetch(`${apiUrl}/openapi.json`)).json()) as Document, 'own')
