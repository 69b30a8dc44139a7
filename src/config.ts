import { homedir, hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { AppError } from './model/error.ts'
import { isDnsLabel } from './model/name.ts'

const portNumber = z.coerce.number().int().min(1).max(65535)
const domain = z.string().refine((text) => text.split('.').every(isDnsLabel), 'expected a domain name in lower case')
const pool = z
  .string()
  .regex(/^\d+\.\d+\.\d+\.\d+\/\d+$/, 'expected an IPv4 network such as 10.210.0.0/16')
  .refine((text) => Number(text.split('/')[1]) <= 23, 'expected a network of /23 or larger')

const root = process.getuid?.() === 0

/** Every setting, its default and its meaning. `docs/reference/settings.md` is checked against it. */
export const settings = {
  BERTH_HOME: z
    .string()
    .startsWith('/')
    .default(root ? '/var/lib/berth' : join(homedir(), '.local/share/berth'))
    .describe('Folder of everything Berth keeps: database, keys, Git repositories, certificates.'),
  BERTH_LISTEN: z.string().default('127.0.0.1').describe('Address that the API listens on.'),
  BERTH_PORT: portNumber.default(4600).describe('Port that the API listens on.'),
  BERTH_API_URL: z.url().optional().describe('URL at which clients reach the API, where that is not its own address.'),
  BERTH_DOMAIN: domain.default('berth.localhost').describe('Domain below which applications get their names.'),
  BERTH_HTTPS_PORT: portNumber.default(root ? 443 : 8443).describe("The edge's port for HTTPS."),
  BERTH_HTTP_PORT: portNumber.default(root ? 80 : 8080).describe("The edge's port for HTTP, which redirects to HTTPS."),
  BERTH_EDGE_IMAGE: z.string().default('berth-edge:1.40.0').describe('Image of the edge (Envoy).'),
  BERTH_DOCKER_SOCKET: z.string().startsWith('/').default('/var/run/docker.sock').describe("Docker's socket."),
  BERTH_NETWORK_POOL: pool.default('10.210.0.0/16').describe('IPv4 network out of which every environment gets a /24.'),
  BERTH_BUILD_NETWORK: z
    .enum(['bridge', 'host'])
    .default('bridge')
    .describe('Network of build commands; `host` only where the bridge cannot reach package servers.'),
  BERTH_BUILDS: z.coerce.number().int().min(1).max(16).default(1).describe('Builds at the same time on this machine.'),
  BERTH_EGRESS_ALLOW: z
    .string()
    .default('')
    .describe("Hosts and CIDRs, separated by commas, that Berth's own processes may connect to beside public addresses."),
  BERTH_GIT_DIR: z.string().startsWith('/').optional().describe('Folder of the repositories pushed to Berth; default `<BERTH_HOME>/git`.'),
  BERTH_MASTER_KEY_FILE: z
    .string()
    .startsWith('/')
    .optional()
    .describe('File with the 32 bytes (in hex) that seal secrets; default `<BERTH_HOME>/master.key`, made at the first start.'),
  BERTH_ADDONS: z
    .string()
    .regex(/^(\/|https:\/\/)/, 'expected the path of a folder or an address that starts with https://')
    .optional()
    .describe(
      'Catalogue of add-ons for Kubernetes clusters: a folder or an HTTPS address with `catalog.json` and the manifests that it names.',
    ),
  BERTH_KEPT_RELEASES: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(20)
    .describe('How many releases of each application keep the image that was built for them, beside the serving one.'),
  BERTH_TOKEN_FILE: z
    .string()
    .startsWith('/')
    .optional()
    .describe("File with the first owner's token; default `<BERTH_HOME>/token`, made at the first start."),
  BERTH_NODE: z
    .string()
    .min(1)
    .max(100)
    .default(hostname())
    .describe('Name of this machine among several; servers that share `BERTH_GIT_DIR` have the same.'),
  BERTH_LOG_LEVEL: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('Least level of log lines.'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'expected a URL that starts with postgresql://')
    .optional()
    .describe('A PostgreSQL (>= 15) to use instead of the embedded one.'),
}

const schema = z.object(settings)
export type Config = ReturnType<typeof readConfig>

/** The only reader of the environment. Names the setting that is wrong, and what it should be. */
export function readConfig(environment: Record<string, string | undefined>) {
  const unknown = Object.keys(environment).find((key) => key.startsWith('BERTH_') && !(key in settings) && !CLIENT_SETTINGS.has(key))
  if (unknown) throw new AppError('invalid', `There is no setting ${unknown}.${nearest(unknown)}`)
  const parsed = schema.safeParse(environment)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    const name = String(issue?.path[0])
    throw new AppError(
      'invalid',
      `The setting ${name} is wrong: ${issue?.message ?? ''}. Found ${JSON.stringify(environment[name])}. ${name}: ${settings[name as keyof typeof settings]?.description ?? ''}`,
    )
  }
  const value = parsed.data
  const apiUrl = (
    value.BERTH_API_URL ?? `http://${value.BERTH_LISTEN === '0.0.0.0' ? '127.0.0.1' : value.BERTH_LISTEN}:${value.BERTH_PORT}`
  ).replace(/\/+$/, '')
  const [base = '', prefix = '16'] = value.BERTH_NETWORK_POOL.split('/')
  return {
    home: value.BERTH_HOME,
    listen: value.BERTH_LISTEN,
    port: value.BERTH_PORT,
    apiUrl,
    wsUrl: apiUrl.replace(/^http/, 'ws'),
    domain: value.BERTH_DOMAIN,
    edge: { httpsPort: value.BERTH_HTTPS_PORT, httpPort: value.BERTH_HTTP_PORT, image: value.BERTH_EDGE_IMAGE },
    dockerSocket: value.BERTH_DOCKER_SOCKET,
    networkPool: { base, prefix: Number(prefix), size: 24 },
    buildNetwork: value.BERTH_BUILD_NETWORK,
    builds: value.BERTH_BUILDS,
    egressAllow: value.BERTH_EGRESS_ALLOW.split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
    gitFolder: value.BERTH_GIT_DIR ?? join(value.BERTH_HOME, 'git'),
    masterKeyFile: value.BERTH_MASTER_KEY_FILE ?? join(value.BERTH_HOME, 'master.key'),
    addons: value.BERTH_ADDONS,
    keptReleases: value.BERTH_KEPT_RELEASES,
    tokenFile: value.BERTH_TOKEN_FILE ?? join(value.BERTH_HOME, 'token'),
    node: value.BERTH_NODE,
    logLevel: value.BERTH_LOG_LEVEL,
    databaseUrl: value.DATABASE_URL,
  }
}

/** Read by the command line, not by the server. */
const CLIENT_SETTINGS = new Set(['BERTH_TOKEN', 'BERTH_URL'])

function nearest(unknown: string): string {
  const found = Object.keys(settings).find((key) => key.startsWith(unknown.slice(0, 7)))
  return found ? ` Did you mean ${found}?` : ''
}
