import { Option, type Command } from 'commander'
import WebSocket from 'ws'
import { AppError } from '../../model/error.ts'
import { connect } from '../context.ts'
import { say, show, table } from '../output.ts'
import { appOf, environmentOf, listApps, organizationOf, pathOf, pick, type App, type Named } from '../select.ts'
import { common, waiting, type Common } from './common.ts'
import { variableCommands } from './app-env.ts'
import { releaseCommands } from './app-release.ts'
import { shellCommands } from './app-shell.ts'
import { finish } from './finish.ts'

type Link = { url: string; is_default: boolean }
type Status = { id: string; state: string; service_deployment_status: string; last_deployment_date?: string }
type Explained = {
  health: string
  state: string
  freshness: string
  explanation: { message: string; remedy: string; evidence: string[] } | null
  conditions: { type: string; status: boolean; reason: string; message: string }[]
}

export function appCommand(program: Command): void {
  const app = program.command('app').alias('application').description('create, deploy and look after applications')
  create(app)
  look(app)
  actions(app)
  logs(app)
  releaseCommands(app)
  shellCommands(app)
  variableCommands(app)
}

function create(app: Command): void {
  waiting(app.command('create <name>').description('create an application from a Git repository or an image'))
    .option('--git <url>', 'Git repository (http or https)')
    .option('--branch <branch>', 'branch', 'main')
    .option('--root <path>', 'folder of the application in the repository', '/')
    .option('--dockerfile <path>', 'Dockerfile, relative to the folder', 'Dockerfile')
    .option('--image <name:tag>', 'image instead of a repository')
    .option('--registry <name>', 'container registry of the image')
    .option('--port <port...>', 'port that the application listens on, published over HTTPS')
    .addOption(new Option('--protocol <protocol>', 'protocol of the ports').choices(['HTTP', 'GRPC', 'TCP', 'UDP']).default('HTTP'))
    .option('--instances <n>', 'instances', '1')
    .option('--cpu <millicores>', 'CPU of each instance', '500')
    .option('--memory <MiB>', 'memory of each instance', '512')
    .option('--deploy', 'deploy it at once')
    .action(async (name: string, options: Common & Record<string, string | undefined> & { port?: string[]; deploy?: boolean }) => {
      const { client, context } = connect()
      const environmentId = await environmentOf(client, context, options)
      if ((options['git'] === undefined) === (options['image'] === undefined))
        throw new AppError('invalid', 'Name either a repository (--git <url>) or an image (--image <name:tag>).')
      const shared = {
        name,
        cpu: Number(options['cpu']),
        memory: Number(options['memory']),
        min_running_instances: Number(options['instances']),
        max_running_instances: Number(options['instances']),
        healthchecks: {},
        ports: (options.port ?? []).map((port) => ({
          internal_port: Number(port),
          publicly_accessible: true,
          protocol: options['protocol'],
        })),
      }
      const made = options['git']
        ? await client.post<App>(`/environment/${environmentId}/application`, {
            ...shared,
            dockerfile_path: options['dockerfile'],
            git_repository: { url: options['git'], provider: 'GITHUB', branch: options['branch'], root_path: options['root'] },
          })
        : await client.post<App>(`/environment/${environmentId}/container`, {
            ...shared,
            ...(await imageOf(client, {
              context: await organizationOf(client, context),
              image: options['image'] ?? '',
              registry: options['registry'],
            })),
          })
      if (options.deploy) await client.post(`${pathOf(made)}/deploy`)
      const links = await client.list<Link>(`${pathOf(made)}/link`)
      show({ ...made, links }, options, () =>
        say(
          `${made.name} is created${links[0] ? `; its address is ${links[0].url}` : ''}.${options.deploy ? '' : `\nDeploy it with: berth app deploy ${made.name} --wait`}`,
        ),
      )
      if (options.deploy && options.wait) await finish(client, environmentId, options)
    })
}

async function imageOf(client: ReturnType<typeof connect>['client'], of: { context: string; image: string; registry: string | undefined }) {
  const registries = await client.list<Named & { kind: string }>(`/organization/${of.context}/containerRegistry`)
  const registry = of.registry ? pick(registries, 'container registry', of.registry) : registries.find((one) => one.kind === 'DOCKER_HUB')
  if (!registry) throw new AppError('not_found', 'There is no container registry: name one with --registry.')
  const colon = of.image.lastIndexOf(':')
  return {
    registry_id: registry.id,
    image_name: colon > 0 ? of.image.slice(0, colon) : of.image,
    tag: colon > 0 ? of.image.slice(colon + 1) : 'latest',
  }
}

function look(app: Command): void {
  common(app.command('list').alias('ls').description('list applications with their state and address')).action(async (options: Common) => {
    const { client, context } = connect()
    const environmentId = await environmentOf(client, context, options)
    const [apps, statuses, links] = await Promise.all([
      listApps(client, environmentId),
      client.get<{ applications: Status[]; containers: Status[] }>(`/environment/${environmentId}/statuses`),
      client.list<Link & { service_id: string }>(`/environment/${environmentId}/link`),
    ])
    const all = [...statuses.applications, ...statuses.containers]
    const rows = apps.map((one) => ({
      id: one.id,
      name: one.name,
      type: one.service_type,
      status: all.find((status) => status.id === one.id)?.state ?? '',
      url: links.find((link) => link.service_id === one.id)?.url ?? '',
      updated_at: one.updated_at,
    }))
    show(rows, options, () =>
      table(
        rows.map(({ name, type, status, url }) => ({ name, type: type.toLowerCase(), status, address: url })),
        'No application yet: run berth init in a repository with a Dockerfile.',
      ),
    )
  })
  common(app.command('status [name]').description('how an application is, and why')).action(
    async (name: string | undefined, options: Common) => {
      const { client, context } = connect()
      const one = await appOf(client, await environmentOf(client, context, options), name)
      const [explained, links] = await Promise.all([
        client.get<Explained>(`/service/${one.id}/explain`),
        client.list<Link>(`${pathOf(one)}/link`),
      ])
      show({ ...explained, links }, options, () => {
        say(`${one.name}: ${explained.health} (${explained.state.toLowerCase()}, ${explained.freshness})`)
        for (const link of links.filter((item) => item.is_default || links.length === 1)) say(`  ${link.url}`)
        if (explained.explanation) say(`  ${explained.explanation.message}\n  ${explained.explanation.remedy}`)
        for (const condition of explained.conditions.filter(
          (item) => !item.status && item.message && item.message !== explained.explanation?.message,
        ))
          say(`  ${condition.type} is false: ${condition.message}`)
        for (const line of explained.explanation?.evidence ?? []) say(`    ${line}`)
      })
    },
  )
}

function actions(app: Command): void {
  const all: [string, string, string, string?][] = [
    ['deploy', 'deploy', 'deploy the head of the branch, a commit (--commit) or a tag (--tag)'],
    ['redeploy', 'redeploy', 'deploy again what is deployed; changes nothing where nothing changed'],
    ['restart', 'restart-service', 'replace the instances one by one'],
    ['stop', 'stop', 'stop it; volumes and configuration stay'],
    ['uninstall', 'uninstall', 'remove it from the cluster; the configuration stays'],
  ]
  for (const [verb, path, description] of all) {
    const command = waiting(app.command(`${verb} [name]`).description(description))
    if (verb === 'deploy') command.option('--commit <id>', 'commit to deploy').option('--tag <tag>', 'tag to deploy')
    command.action(async (name: string | undefined, options: Common & { commit?: string; tag?: string }) => {
      const { client, context } = connect()
      const environmentId = await environmentOf(client, context, options)
      const one = await appOf(client, environmentId, name)
      const status = await client.post<Status>(`${pathOf(one)}/${path}`, {
        ...(options.commit ? { git_commit_id: options.commit } : {}),
        ...(options.tag ? { image_tag: options.tag } : {}),
      })
      if (options.wait) return finish(client, environmentId, options)
      show(status, options, () => say(`${one.name}: ${status.state}`))
    })
  }
  waiting(app.command('delete [name]').alias('rm').description('delete it with its volumes'))
    .option('--yes', 'do not ask')
    .action(async (name: string | undefined, options: Common & { yes?: boolean }) => {
      const { client, context } = connect()
      const environmentId = await environmentOf(client, context, options)
      const one = await appOf(client, environmentId, name)
      if (!options.yes) throw new AppError('invalid', `This deletes ${one.name} with its volumes. Say so with --yes.`)
      await client.delete(pathOf(one))
      if (options.wait) return finish(client, environmentId, options)
      show({ id: one.id, deleted: true }, options, () => say(`${one.name} is being deleted`))
    })
  waiting(app.command('cancel').description('cancel what is being deployed in the environment')).action(async (options: Common) => {
    const { client, context } = connect()
    const environmentId = await environmentOf(client, context, options)
    await client.post(`/environment/${environmentId}/cancelDeployment`, {})
    if (options.wait) return finish(client, environmentId, { ...options, canceling: true })
    show({ canceled: true }, options, () => say('Canceling'))
  })
}

function logs(app: Command): void {
  common(app.command('logs [name]').description('what an application prints'))
    .option('-f, --follow', 'go on as lines come')
    .option('-n, --lines <n>', 'lines to begin with', '100')
    .option('--deployment', 'the log of the newest deployment instead')
    .action(async (name: string | undefined, options: Common & { follow?: boolean; lines: string; deployment?: boolean }) => {
      const { client, context } = connect()
      const environmentId = await environmentOf(client, context, options)
      if (options.deployment) {
        const lines = await client.get<{ timestamp: string; message: { safe_message: string } | null }[]>(
          `/environment/${environmentId}/logs`,
        )
        return show(lines, options, () =>
          lines.forEach((line) => say(`${line.timestamp.slice(11, 23)} ${line.message?.safe_message ?? ''}`)),
        )
      }
      const one = await appOf(client, environmentId, name)
      if (options.follow)
        return follow({ apiUrl: client.apiUrl, token: client.token, service: one.id, lines: options.lines, json: options.json })
      const lines = (await client.list<{ created_at: string; message: string; pod_name: string }>(`${pathOf(one)}/log`)).slice(
        -Number(options.lines),
      )
      show(lines, options, () => lines.forEach((line) => say(`${line.created_at} ${line.pod_name} ${line.message}`)))
    })
}

function follow(of: { apiUrl: string; token: string; service: string; lines: string; json: boolean | undefined }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${of.apiUrl.replace(/^http/, 'ws')}/service/logs?service=${of.service}&limit=${of.lines}`, {
      headers: { authorization: `Token ${of.token}` },
    })
    socket.on('message', (data: Buffer) => {
      const line = JSON.parse(data.toString()) as { created_at: number; message: string; pod_name: string }
      say(of.json ? JSON.stringify(line) : `${new Date(line.created_at).toISOString()} ${line.pod_name} ${line.message}`)
    })
    socket.once('error', (error) => reject(new AppError('unavailable', `The log cannot be followed: ${error.message}`)))
    socket.once('close', () => resolve())
  })
}
