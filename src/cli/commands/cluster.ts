import { readFileSync } from 'node:fs'
import { Option, type Command } from 'commander'
import { AppError } from '../../model/error.ts'
import type { Client } from '../client.ts'
import { connect, type Context } from '../context.ts'
import { DEPLOYMENT_FAILED, say, show, table } from '../output.ts'
import { ensureOrganization, organizationOf, pick, type Named } from '../select.ts'
import { json } from './common.ts'

type Cluster = Named & { engine: string; status: string; domain?: string | null }
type Options = Record<string, string | boolean | undefined> & { json?: boolean }
type Finding = { what: string; found: string; ok: boolean; remedy: string }

/** Milliseconds between looks at a cluster that is being deployed. */
const LOOK = 500

const kubernetesOptions = (command: Command): Command =>
  command
    .option('--domain <domain>', 'applications get their names below it; *.<domain> must point to the gateway')
    .option('--registry <name>', 'registry for builds that the nodes reach, host[:port][/path]; without, only images are deployed')
    .option('--registry-insecure', 'the registry speaks plain HTTP')
    .option('--own-registry <GiB>', 'let Berth run a registry on the cluster instead, with so much room; 0: none')
    .option('--registry-image <image>', 'image of that registry')
    .option('--registry-proxy-image <image>', 'image of Envoy, through which nodes pull from it')
    .option('--issuer <name>', "cert-manager's ClusterIssuer; without, Berth signs the certificate itself")
    .option('--gateway-class <name>', 'GatewayClass; by default the one that the cluster has')
    .option('--storage-class <name>', 'StorageClass of volumes; by default the default one')
    .option('--builder-image <image>', 'image of BuildKit')
    .option('--rootless-builds', 'build without privileges; nodes must allow unprivileged user namespaces')
    .option('--addons <names>', 'what Berth brings where it is missing, of cert-manager,envoy-gateway,metrics-server,keda; empty: nothing')
    .option('--environment-cpu <millicores>', 'what the instances of one environment may ask for together; 0: as much as there is')
    .option('--environment-memory <MiB>', 'the same of memory')
    .option('--environment-instances <number>', 'how many instances one environment may have; a rolling update needs one more')
    .addOption(new Option('--pod-security <level>', 'what pods may ask for').choices(['privileged', 'baseline', 'restricted']))

export function clusterCommand(program: Command): void {
  const cluster = program.command('cluster').description('places that applications run on')
  list(cluster)
  add(cluster)
  edit(cluster)
  deploy(cluster)
  look(cluster)
  kubeconfig(cluster)
  remove(cluster)
}

async function found(name: string): Promise<{ client: Client; context: Context; base: string; one: Cluster }> {
  const { client, context } = connect()
  const base = `/organization/${await organizationOf(client, context)}/cluster`
  const one = pick(await client.list<Cluster>(base), 'cluster', name)
  return { client, context, base: `${base}/${one.id}`, one }
}

function list(cluster: Command): void {
  json(cluster.command('list').alias('ls').description('list clusters')).action(async (options: Options) => {
    const { client, context } = connect()
    const rows = await client.list<Cluster>(`/organization/${await organizationOf(client, context)}/cluster`)
    show(rows, options, () =>
      table(
        rows.map((row) => ({ name: row.name, engine: row.engine, status: row.status, domain: row.domain ?? '', id: row.id })),
        'No cluster yet.',
      ),
    )
  })
}

function add(cluster: Command): void {
  kubernetesOptions(
    json(
      cluster
        .command('add')
        .description('add a cluster: Kubernetes by its kubeconfig; memory needs nothing and runs nothing, for trying things out'),
    ),
  )
    .requiredOption('--name <name>', 'its name')
    .option('--kubeconfig <file>', 'kubeconfig with a service-account token or a client certificate; - reads it from the input')
    .addOption(
      new Option('--engine <engine>', 'what drives it; kubernetes where a kubeconfig is given').choices(['docker', 'memory', 'kubernetes']),
    )
    .option('--wait', 'wait until what Berth needs is on it')
    .action(async (options: Options) => {
      const { client, context } = connect()
      const base = `/organization/${await ensureOrganization(client, context)}/cluster`
      const file = options['kubeconfig']
      if (options['engine'] === 'kubernetes' && file === undefined)
        throw new AppError('invalid', 'Name the file of its kubeconfig with --kubeconfig <file>.')
      const made = await client.post<Cluster>(base, {
        name: options['name'],
        region: 'on-premise',
        cloud_provider: 'ON_PREMISE',
        kubernetes: 'SELF_MANAGED',
        engine: options['engine'] ?? (file === undefined ? 'docker' : 'kubernetes'),
        ...(file === undefined ? {} : { kubeconfig: readInput(String(file)) }),
        ...fieldsOf(options),
      })
      if (made.engine !== 'kubernetes') return show(made, options, () => say(`${made.name} is added.`))
      await client.post(`${base}/${made.id}/deploy`)
      if (!options.json)
        say(
          `${made.name} is added. Berth brings its gateway onto it${options['wait'] ? '' : `; see how it goes with: berth cluster check ${made.name}`}.`,
        )
      if (options['wait']) return finish(client, `${base}/${made.id}`, { made, json: options.json })
      show(made, options, () => undefined)
    })
}

function edit(cluster: Command): void {
  kubernetesOptions(json(cluster.command('edit <name>').description('change what a Kubernetes cluster is given; what is not named stays')))
    .option('--name <name>', 'another name')
    .action(async (name: string, options: Options) => {
      const { client, base, one } = await found(name)
      const changed = await client.put<Cluster>(base, {
        name: options['name'] ?? one.name,
        region: 'on-premise',
        cloud_provider: 'ON_PREMISE',
        ...fieldsOf(options),
      })
      show(changed, options, () => say(`${changed.name} is changed. Bring it onto the cluster with: berth cluster deploy ${changed.name}`))
    })
}

function fieldsOf(options: Options): Record<string, unknown> {
  const names: [string, string][] = [
    ['domain', 'domain'],
    ['registry', 'registry'],
    ['registryInsecure', 'registry_insecure'],
    ['issuer', 'certificate_issuer'],
    ['gatewayClass', 'gateway_class'],
    ['storageClass', 'storage_class'],
    ['builderImage', 'builder_image'],
    ['rootlessBuilds', 'rootless_builds'],
    ['podSecurity', 'pod_security'],
  ]
  const addons = options['addons']
  const list = typeof addons === 'string' ? { addons: addons.split(',').filter((name) => name !== '') } : {}
  const named = Object.fromEntries(names.flatMap(([option, field]) => (options[option] === undefined ? [] : [[field, options[option]]])))
  return { ...named, ...list, ...registryOf(options), ...quotaOf(options) }
}

function registryOf(options: Options): Record<string, unknown> {
  const { ownRegistry: size, registryImage: image, registryProxyImage: proxy } = options
  if (size === undefined && image === undefined && proxy === undefined) return {}
  if (size !== undefined && !/^\d+$/.test(String(size)))
    throw new AppError('invalid', `expected a whole number of GiB, found ${JSON.stringify(size)}`, '--own-registry')
  if (Number(size) === 0) return { own_registry: null }
  const fields = {
    ...(size === undefined ? {} : { size: Number(size) }),
    ...(image ? { image } : {}),
    ...(proxy ? { proxy_image: proxy } : {}),
  }
  return { own_registry: fields }
}

/** The quota as a whole: naming one limit names them all. */
function quotaOf(options: Options): Record<string, unknown> {
  const given = { cpu: options['environmentCpu'], memory: options['environmentMemory'], instances: options['environmentInstances'] }
  if (Object.values(given).every((text) => text === undefined)) return {}
  const limits = Object.entries(given).flatMap(([field, text = '0']) => {
    if (!/^\d+$/.test(String(text)))
      throw new AppError('invalid', `expected a whole number, found ${JSON.stringify(text)}`, `--environment-${field}`)
    return Number(text) === 0 ? [] : [[field, Number(text)]]
  })
  return { environment_quota: Object.fromEntries(limits) as Record<string, number> }
}

function deploy(cluster: Command): void {
  json(cluster.command('deploy <name>').description('bring what Berth needs onto a cluster: namespace, gateway, certificate'))
    .option('--wait', 'wait until it is done')
    .action(async (name: string, options: Options) => {
      const { client, base, one } = await found(name)
      const status = await client.post<{ status: string }>(`${base}/deploy`)
      if (options['wait']) return finish(client, base, { made: one, json: options.json })
      show(status, options, () => say(`${one.name}: ${status.status}`))
    })
}

async function finish(client: Client, base: string, of: { made: Cluster; json: boolean | undefined }): Promise<void> {
  let seen = 0
  for (;;) {
    const status = await client.get<{ status: string }>(`${base}/status`)
    const log = await client.get<{ lines: string[]; error: string | null }>(`${base}/deployLog`)
    if (!of.json) for (const line of log.lines.slice(seen)) say(line)
    seen = log.lines.length
    if (status.status === 'DEPLOYING') {
      await new Promise((resolve) => setTimeout(resolve, LOOK))
      continue
    }
    show({ ...of.made, status: status.status, error: log.error }, of, () => say(log.error ?? `${of.made.name} is ready.`))
    if (log.error !== null) process.exitCode = DEPLOYMENT_FAILED
    return
  }
}

function look(cluster: Command): void {
  json(cluster.command('check <name>').description('what a cluster has and lacks, and what to do')).action(
    async (name: string, options: Options) => {
      const { client, base } = await found(name)
      const rows = await client.list<Finding>(`${base}/check`)
      show(rows, options, () => {
        table(
          rows.map((row) => ({ '': row.ok ? 'ok' : '!!', what: row.what, found: row.found })),
          'Nothing was looked at.',
        )
        for (const row of rows.filter((one) => !one.ok)) say(`\n${row.what}: ${row.remedy}`)
      })
      if (rows.some((row) => !row.ok)) process.exitCode = DEPLOYMENT_FAILED
    },
  )
}

function kubeconfig(cluster: Command): void {
  cluster
    .command('kubeconfig <name>')
    .description('print the kubeconfig that Berth uses (administrators only, and on record), or set another one')
    .option('--set <file>', 'file to set it from; - reads it from the input')
    .action(async (name: string, options: { set?: string }) => {
      const { client, base, one } = await found(name)
      if (options.set === undefined) return say((await client.text('GET', `${base}/kubeconfig`)).trimEnd())
      await client.text('PUT', `${base}/kubeconfig`, readInput(options.set))
      say(`${one.name} is reached with another kubeconfig now.`)
    })
}

function remove(cluster: Command): void {
  json(
    cluster
      .command('delete <name>')
      .alias('rm')
      .description('remove a cluster without environments, and what Berth brought onto it for itself'),
  )
    .option('--yes', 'do not ask')
    .option('--forget', 'leave what is on it: for clusters that are gone')
    .action(async (name: string, options: Options) => {
      const { client, base, one } = await found(name)
      if (!options['yes']) throw new AppError('invalid', `This removes ${one.name} from Berth. Say so with --yes.`)
      await client.delete(`${base}${options['forget'] ? '?deleteMode=DELETE_QOVERY_CONFIG' : ''}`)
      show({ id: one.id, deleted: true }, options, () => say(`${one.name} is removed.`))
    })
}

function readInput(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw new AppError('invalid', `The file ${file} cannot be read: ${(error as Error).message}`)
  }
}
