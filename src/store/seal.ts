import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { AppError } from '../model/error.ts'

/** Seals values with AES-256-GCM: a fresh key per value, itself wrapped by the master key; the row's identity is authenticated along. */
export class Vault {
  readonly #wrapping: Buffer
  readonly #fingerprinting: Buffer

  /** @param masterKey 32 random bytes */
  constructor(masterKey: Buffer) {
    if (masterKey.length !== 32) throw new AppError('internal', `expected a master key of 32 bytes, found ${masterKey.length}`)
    this.#wrapping = Buffer.from(hkdfSync('sha256', masterKey, '', 'berth seal', 32))
    this.#fingerprinting = Buffer.from(hkdfSync('sha256', masterKey, '', 'berth fingerprint', 32))
  }

  /** `identity` names the row: a sealed value moved to another row does not open there. */
  seal(value: string, identity: string): Buffer {
    const key = randomBytes(32)
    return Buffer.concat([encrypt(this.#wrapping, key, identity), encrypt(key, Buffer.from(value), identity)])
  }

  /** Throws rather than returning anything else than what was sealed. */
  open(sealed: Buffer, identity: string): string {
    try {
      const key = decrypt(this.#wrapping, sealed.subarray(0, WRAPPED), identity)
      return decrypt(key, sealed.subarray(WRAPPED), identity).toString()
    } catch {
      throw new AppError('internal', `The sealed value ${identity} does not open with this master key.`)
    }
  }

  /** Equal values have equal fingerprints; the value cannot be found from it without the key. */
  fingerprint(value: string): Buffer {
    return createHmac('sha256', this.#fingerprinting).update(value).digest()
  }
}

const IV = 12
const TAG = 16
const WRAPPED = IV + TAG + 32

function encrypt(key: Buffer, plain: Buffer, identity: string): Buffer {
  const iv = randomBytes(IV)
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(identity))
  const body = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), body])
}

function decrypt(key: Buffer, sealed: Buffer, identity: string): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV)).setAAD(Buffer.from(identity))
  decipher.setAuthTag(sealed.subarray(IV, IV + TAG))
  return Buffer.concat([decipher.update(sealed.subarray(IV + TAG)), decipher.final()])
}
