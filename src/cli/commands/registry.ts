import { readFileSync } from 'node:fs'
import { Option, type Command } from 'commander'
import { AppError } from '../../model/error.ts'
import { connect } from '../context.ts'
import { say, show, table } from '../output.ts'
import { ensureOrganization, organizationOf, pick, type Named } from '../select.ts'
import { json } from './common.ts'

type Registry = Named & { kind: string; url: string; description: string; associated_services_count: number; config: { username?: string } }
type Options = { json?: boolean; name?: string; kind?: string; url?: string; username?: string; passwordStdin?: boolean; yes?: boolean }

const kinds = ['GENERIC_CR', 'DOCKER_HUB', 'GITHUB_CR', 'GITHUB_ENTERPRISE_CR', 'GITLAB_CR', 'AZURE_CR']

const fields = (command: Command): Command =>
  command
    .option('--url <url>', "https:// and the registry's host; Docker Hub, GitHub and GitLab have a default")
    .option('--username <name>', 'who pulls, where it does not give its images out to everybody')
    .option('--password-stdin', 'read the password (or access token) from the input: as an argument others could see it')

export function registryCommand(program: Command): void {
  const registry = program.command('registry').description('who may pull from and push to registries of images')
  list(registry)
  add(registry)
  edit(registry)
  remove(registry)
}

async function found(name: string) {
  const { client, context } = connect()
  const base = `/organization/${await organizationOf(client, context)}/containerRegistry`
  const one = pick(await client.list<Registry>(base), 'container registry', name)
  return { client, base: `${base}/${one.id}`, one }
}

function list(registry: Command): void {
  json(registry.command('list').alias('ls').description('list container registries')).action(async (options: Options) => {
    const { client, context } = connect()
    const rows = await client.list<Registry>(`/organization/${await organizationOf(client, context)}/containerRegistry`)
    show(rows, options, () =>
      table(
        rows.map((row) => ({
          name: row.name,
          kind: row.kind,
          url: row.url,
          user: row.config.username ?? '',
          used: String(row.associated_services_count),
        })),
        'No container registry yet.',
      ),
    )
  })
}

function add(registry: Command): void {
  fields(json(registry.command('add').description('add a container registry')))
    .requiredOption('--name <name>', 'its name')
    .addOption(new Option('--kind <kind>', 'what it is').choices(kinds).default('GENERIC_CR'))
    .action(async (options: Options) => {
      const { client, context } = connect()
      const base = `/organization/${await ensureOrganization(client, context)}/containerRegistry`
      const made = await client.post<Registry>(base, {
        name: options.name,
        kind: options.kind,
        url: options.url,
        config: credentialsIn(options),
      })
      show(made, options, () =>
        say(`${made.name} is added. Use it with: berth app create <name> --registry ${made.name} --image <image:tag>`),
      )
    })
}

function edit(registry: Command): void {
  fields(json(registry.command('edit <name>').description('change a container registry; what is not named stays')))
    .option('--name <name>', 'another name')
    .action(async (name: string, options: Options) => {
      const { client, base, one } = await found(name)
      const isKept = options.username === undefined && !options.passwordStdin
      const changed = await client.put<Registry>(base, {
        name: options.name ?? one.name,
        kind: one.kind,
        description: one.description,
        url: options.url ?? one.url,
        ...(isKept ? {} : { config: credentialsIn({ username: one.config.username ?? '', ...options }) }),
      })
      show(changed, options, () => say(`${changed.name} is changed. Applications pull with it after their next deployment.`))
    })
}

function remove(registry: Command): void {
  json(registry.command('delete <name>').alias('rm').description('remove a container registry that no application uses'))
    .option('--yes', 'do not ask')
    .action(async (name: string, options: Options) => {
      const { client, base, one } = await found(name)
      if (!options.yes) throw new AppError('invalid', `This removes ${one.name} from Berth. Say so with --yes.`)
      await client.delete(base)
      show({ id: one.id, deleted: true }, options, () => say(`${one.name} is removed.`))
    })
}

function credentialsIn({ username, passwordStdin }: Options): Record<string, string> {
  return {
    ...(username ? { username } : {}),
    ...(passwordStdin ? { password: readFileSync(0, 'utf8').replace(/\r?\n$/, '') } : {}),
  }
}
