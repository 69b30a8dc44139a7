import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { AppError } from '../model/error.ts'

/** Networks that are not the public internet (RFC 6890 and successors): nothing of Berth's own connects there unless it is allowed. */
const RESERVED_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
const RESERVED_V6 = [
  '::/128',
  '::1/128',
  '64:ff9b::/96',
  '100::/64',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  'fc00::/7',
  'fe80::/10',
  'ff00::/8',
]

const listOf = (networks: string[]): BlockList => {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(prefix ?? (family === 'ipv6' ? 128 : 32)), family)
  }
  return list
}

/** `::ffff:a.b.c.d` is the IPv4 address that it carries: BlockList sees through it. */
const has = (list: BlockList, address: string): boolean => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')

/** Which addresses Berth's own processes (Git, registries) may connect to: public ones, and what `BERTH_EGRESS_ALLOW` opens. */
export class Egress {
  readonly #reserved = listOf([...RESERVED_V4, ...RESERVED_V6])
  readonly #networks: BlockList
  readonly #hosts: Set<string>

  constructor(allow: string[]) {
    this.#networks = listOf(allow.filter((item) => isIP(item.split('/')[0] ?? '') !== 0))
    this.#hosts = new Set(allow.filter((item) => isIP(item.split('/')[0] ?? '') === 0).map((item) => item.toLowerCase()))
  }

  /** The one address to connect to: resolved once, checked, and to be used as it is. The refusal names the setting that opens it. */
  async addressOf(host: string, path: string): Promise<string> {
    const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
    const addresses = isIP(bare) ? [bare] : await resolve(bare, path)
    const allowed = addresses.find((address) => this.allows(bare, address))
    if (allowed === undefined)
      throw new AppError(
        'invalid',
        `The address of ${bare} (${addresses[0]}) is not a public one, so Berth does not connect to it. To allow it, add ${addresses[0]} or its network to BERTH_EGRESS_ALLOW.`,
        path,
      )
    return allowed
  }

  /** Whether the operator has named this host or address: not public, and meant. */
  opens(host: string): boolean {
    return this.#hosts.has(host.toLowerCase()) || (isIP(host) !== 0 && has(this.#networks, host))
  }

  allows(host: string, address: string): boolean {
    return this.#hosts.has(host) || has(this.#networks, address) || !has(this.#reserved, address)
  }
}

async function resolve(host: string, path: string): Promise<string[]> {
  try {
    const found = await lookup(host, { all: true })
    return found.map((one) => one.address)
  } catch {
    throw new AppError(
      'invalid',
      `The host ${host} does not resolve to any address: check its spelling, and the name server of this machine.`,
      path,
    )
  }
}
