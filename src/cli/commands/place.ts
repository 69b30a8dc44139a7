import type { Command } from 'commander'
import { AppError } from '../../model/error.ts'
import { connect } from '../context.ts'
import { DEPLOYMENT_FAILED, say, show, table } from '../output.ts'
import { environmentOf, organizationOf, pick, projectOf, type Named } from '../select.ts'
import { watchDeployment } from '../watch.ts'
import { json } from './common.ts'

type Common = { json?: boolean; project?: string; yes?: boolean; wait?: boolean }

export function projectCommand(program: Command): void {
  const project = program.command('project').description('projects of your organization')
  json(project.command('list').alias('ls').description('list projects')).action(async (options: Common) => {
    const { client, context } = connect()
    const rows = await client.list<Named & { associated_environments_count: number }>(
      `/organization/${await organizationOf(client, context)}/project`,
    )
    show(rows, options, () =>
      table(
        rows.map((row) => ({ name: row.name, environments: row.associated_environments_count, id: row.id })),
        'No project yet.',
      ),
    )
  })
  json(project.command('create <name>').description('create a project')).action(async (name: string, options: Common) => {
    const { client, context } = connect()
    const made = await client.post<Named>(`/organization/${await organizationOf(client, context)}/project`, { name })
    show(made, options, () => say(`${made.name} is created.`))
  })
  json(project.command('delete <name>').description('delete an empty project')).action(async (name: string, options: Common) => {
    const { client, context } = connect()
    const found = pick(await client.list<Named>(`/organization/${await organizationOf(client, context)}/project`), 'project', name)
    await client.delete(`/project/${found.id}`)
    show({ id: found.id, deleted: true }, options, () => say(`${found.name} is deleted.`))
  })
}

export function environmentCommand(program: Command): void {
  const environment = program.command('environment').alias('env').description('environments of a project')
  const list = async (options: Common) => {
    const { client, context } = connect()
    return {
      client,
      context,
      rows: await client.list<Named & { mode: string; cluster_name: string }>(
        `/project/${await projectOf(client, context, options.project)}/environment`,
      ),
    }
  }
  const base = (command: Command): Command => json(command).option('-p, --project <name>', 'project')
  base(environment.command('list').alias('ls').description('list environments')).action(async (options: Common) => {
    const { rows } = await list(options)
    show(rows, options, () =>
      table(
        rows.map((row) => ({ name: row.name, mode: row.mode.toLowerCase(), cluster: row.cluster_name, id: row.id })),
        'No environment yet.',
      ),
    )
  })
  base(environment.command('create <name>').description('create an environment'))
    .option('--cluster <name>', 'cluster; by default the default one')
    .option('--mode <mode>', 'DEVELOPMENT, STAGING or PRODUCTION', 'DEVELOPMENT')
    .action(async (name: string, options: Common & { cluster?: string; mode: string }) => {
      const { client, context } = connect()
      const cluster = options.cluster
        ? pick(await client.list<Named>(`/organization/${await organizationOf(client, context)}/cluster`), 'cluster', options.cluster).id
        : undefined
      const made = await client.post<Named>(`/project/${await projectOf(client, context, options.project)}/environment`, {
        name,
        mode: options.mode.toUpperCase(),
        ...(cluster ? { cluster } : {}),
      })
      show(made, options, () => say(`${made.name} is created.`))
    })
  for (const [verb, description] of [
    ['deploy', 'deploy every service'],
    ['redeploy', 'deploy every service again'],
    ['stop', 'stop every service'],
  ] as const)
    base(environment.command(`${verb} [name]`).description(description))
      .option('--wait', 'wait until it is done')
      .action(async (name: string | undefined, options: Common) => {
        const { client, context } = connect()
        const id = await environmentOf(client, context, {
          ...(name ? { environment: name } : {}),
          ...(options.project ? { project: options.project } : {}),
        })
        const status = await client.post<{ state: string }>(`/environment/${id}/${verb}`)
        if (!options.wait) return show(status, options, () => say(status.state))
        const result = await watchDeployment(client, id, options)
        show(result, options, () => say(result.state))
        if (!result.succeeded) process.exitCode = DEPLOYMENT_FAILED
      })
  base(environment.command('status [name]').description('the state of an environment and its services')).action(
    async (name: string | undefined, options: Common) => {
      const { client, context } = connect()
      const id = await environmentOf(client, context, {
        ...(name ? { environment: name } : {}),
        ...(options.project ? { project: options.project } : {}),
      })
      const status = await client.get<{
        environment: { state: string }
        applications: { id: string; state: string }[]
        containers: { id: string; state: string }[]
      }>(`/environment/${id}/statuses`)
      const names = new Map((await client.list<Named>(`/environment/${id}/services`)).map((one) => [one.id, one.name]))
      show(status, options, () => {
        say(status.environment.state)
        for (const one of [...status.applications, ...status.containers]) say(`  ${names.get(one.id) ?? one.id}: ${one.state}`)
      })
    },
  )
  base(environment.command('delete <name>').description('delete an environment with everything in it'))
    .option('--yes', 'do not ask')
    .action(async (name: string, options: Common) => {
      const { client, rows } = await list(options)
      const found = pick(rows, 'environment', name)
      if (!options.yes)
        throw new AppError('invalid', `This deletes ${found.name} with its applications and their volumes. Say so with --yes.`)
      await client.delete(`/environment/${found.id}`)
      show({ id: found.id, deleted: true }, options, () => say(`${found.name} is being deleted.`))
    })
}

export function tokenCommand(program: Command): void {
  const token = program.command('token').description('API tokens of your organization')
  type Token = Named & { role_name: string; created_at: string; token?: string }
  json(token.command('list').alias('ls').description('list tokens')).action(async (options: Common) => {
    const { client, context } = connect()
    const rows = await client.list<Token>(`/organization/${await organizationOf(client, context)}/apiToken`)
    show(rows, options, () =>
      table(
        rows.map((row) => ({ name: row.name, role: row.role_name, created: row.created_at, id: row.id })),
        'No token yet.',
      ),
    )
  })
  json(token.command('create <name>').description('create a token; it is shown this once'))
    .option('--role <role>', 'admin, developer or viewer', 'admin')
    .action(async (name: string, options: Common & { role: string }) => {
      const { client, context } = connect()
      const organization = await organizationOf(client, context)
      const role = pick(await client.list<Named>(`/organization/${organization}/availableRole`), 'role', options.role)
      const made = await client.post<Token>(`/organization/${organization}/apiToken`, { name, role_id: role.id })
      show(made, options, () => say(made.token ?? ''))
    })
  json(token.command('delete <name>').description('delete a token')).action(async (name: string, options: Common) => {
    const { client, context } = connect()
    const organization = await organizationOf(client, context)
    const found = pick(await client.list<Token>(`/organization/${organization}/apiToken`), 'token', name)
    await client.delete(`/organization/${organization}/apiToken/${found.id}`)
    show({ id: found.id, deleted: true }, options, () => say(`${found.name} is deleted.`))
  })
}
