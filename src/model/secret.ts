import { inspect } from 'node:util'

/** A revealed secret value that no log, template or JSON can show: every way of printing it gives `***`. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The value itself. Only what hands it to an engine or a builder calls this. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return '***'
  }

  toJSON(): string {
    return '***'
  }

  [inspect.custom](): string {
    return '***'
  }
}

export type Value = string | Secret
export const revealed = (value: Value): string => (typeof value === 'string' ? value : value.reveal())
