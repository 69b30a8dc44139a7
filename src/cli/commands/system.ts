import { existsSync, readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { AppError } from '../../model/error.ts'
import { Client } from '../client.ts'
import { connect, findLocal, localContextFile, rememberedContext, writeContext, type Context } from '../context.ts'
import { say, show, table } from '../output.ts'
import { organizationOf, type Named } from '../select.ts'

type Options = { json?: boolean; token?: string }

export function systemCommands(program: Command): void {
  program
    .command('login <url>')
    .description('remember another Berth and your token there; the token is read from standard input')
    .option('--json', 'print JSON')
    .action(async (url: string, options: Options) => {
      const chunks: Buffer[] = []
      if (process.stdin.isTTY) process.stderr.write('Token: ')
      for await (const chunk of process.stdin) {
        chunks.push(chunk as Buffer)
        if (process.stdin.isTTY) break
      }
      const token = Buffer.concat(chunks).toString().trim()
      const client = new Client(url, token)
      const organizations = await client.list<Named>('/organization')
      const path = writeContext({ apiUrl: client.apiUrl, token })
      show({ apiUrl: client.apiUrl, organizations }, options, () =>
        say(
          `Logged in at ${client.apiUrl} (${organizations.map((one) => one.name).join(', ') || 'no organization yet'}). Remembered in ${path}.`,
        ),
      )
    })
  program
    .command('logout')
    .description('forget what berth login remembered')
    .action(() => {
      writeContext({})
      say('Forgotten.')
    })
  program
    .command('use')
    .description('remember the environment to work on')
    .requiredOption('-e, --environment <id>', 'environment, by id')
    .action(async (options: { environment: string }) => {
      const { client } = connect()
      const found = await client.get<{ id: string; name: string; organization: { id: string }; project: { id: string } }>(
        `/environment/${options.environment}`,
      )
      writeContext({ ...rememberedContext(), organizationId: found.organization.id, projectId: found.project.id, environmentId: found.id })
      say(`Working on ${found.name}.`)
    })
  program
    .command('info')
    .description('the Berth that runs on this machine')
    .option('--json', 'print JSON')
    .action((options: Options) => {
      const local = findLocal()
      if (!local || !isRunning(local.pid)) throw new AppError('unavailable', 'No Berth runs on this machine. Start it with bin/up.')
      const context: Context = existsSync(localContextFile()) ? (JSON.parse(readFileSync(localContextFile(), 'utf8')) as Context) : {}
      const info = {
        ...local,
        organizationId: context.organizationId ?? null,
        projectId: context.projectId ?? null,
        environmentId: context.environmentId ?? null,
        clusterId: context.clusterId ?? null,
      }
      show(info, options, () => Object.entries(info).forEach(([key, value]) => say(`${key.padEnd(16)}${value ?? '-'}`)))
    })
  program
    .command('doctor')
    .description('what the clusters have and lack, with remedies')
    .option('--json', 'print JSON')
    .action(async (options: Options) => {
      const { client, context } = connect()
      const organization = await organizationOf(client, context)
      const clusters = await client.list<Named>(`/organization/${organization}/cluster`)
      const rows = (
        await Promise.all(
          clusters.map(async (cluster) =>
            (
              await client.list<{ what: string; found: string; ok: boolean; remedy: string }>(
                `/organization/${organization}/cluster/${cluster.id}/check`,
              )
            ).map((row) => ({ cluster: cluster.name, ...row })),
          ),
        )
      ).flat()
      show(rows, options, () =>
        table(
          rows.map((row) => ({
            cluster: row.cluster,
            what: row.what,
            ok: row.ok ? 'yes' : 'NO',
            found: row.found,
            remedy: row.ok && row.found !== 'not enforced' ? '' : row.remedy,
          })),
          'No cluster yet.',
        ),
      )
      if (rows.some((row) => !row.ok)) process.exitCode = 8
    })
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
