import type { Command } from 'commander'
import { AppError } from '../../model/error.ts'
import { connect } from '../context.ts'
import { say, show, table } from '../output.ts'
import { appOf, environmentOf, pick, type App } from '../select.ts'
import { common, type Common } from './common.ts'

type Variable = { id: string; key: string; value: string | null; scope: string; is_secret: boolean }

export function variableCommands(app: Command): void {
  const env = app.command('env').description('variables and secrets of an application')
  const load = async (client: ReturnType<typeof connect>['client'], one: App) =>
    client.list<Variable>(`/variable?parent_id=${one.id}&scope=${one.service_type}`)
  common(env.command('list <app>').description('every variable that it sees; secrets without their values'))
    .option('--all', 'built-in ones too')
    .action(async (name: string, options: Common & { all?: boolean }) => {
      const { client, context } = connect()
      const one = await appOf(client, await environmentOf(client, context, options), name)
      const rows = (await load(client, one)).filter((variable) => options.all || variable.scope !== 'BUILT_IN')
      show(rows, options, () =>
        table(
          rows.map((row) => ({ key: row.key, value: row.is_secret ? '***' : (row.value ?? ''), scope: row.scope.toLowerCase() })),
          'No variable yet.',
        ),
      )
    })
  common(
    env.command('set <app> <assignments...>').description('set variables: KEY=value …; a secret is read from standard input with KEY=-'),
  )
    .option('--secret', 'as secrets')
    .action(async (name: string, assignments: string[], options: Common & { secret?: boolean }) => {
      const { client, context } = connect()
      const one = await appOf(client, await environmentOf(client, context, options), name)
      const existing = await load(client, one)
      for (const assignment of assignments) {
        const equals = assignment.indexOf('=')
        if (equals < 1) throw new AppError('invalid', `expected KEY=value, found ${assignment}`)
        const [key, text] = [assignment.slice(0, equals), assignment.slice(equals + 1)]
        const value = text === '-' ? await readInput() : text
        const old = existing.find((variable) => variable.key === key && variable.scope === one.service_type)
        if (old) await client.put(`/variable/${old.id}`, { key, value })
        else
          await client.post('/variable', {
            key,
            value,
            is_secret: options.secret ?? false,
            variable_scope: one.service_type,
            variable_parent_id: one.id,
          })
      }
      show({ set: assignments.length }, options, () => say(`Set. It takes effect with the next deployment: berth app deploy ${one.name}`))
    })
  common(env.command('unset <app> <keys...>').description('remove variables of its own')).action(
    async (name: string, keys: string[], options: Common) => {
      const { client, context } = connect()
      const one = await appOf(client, await environmentOf(client, context, options), name)
      const existing = (await load(client, one)).filter((variable) => variable.scope === one.service_type)
      for (const key of keys)
        await client.delete(
          `/variable/${
            pick(
              existing.map((variable) => ({ ...variable, name: variable.key })),
              'variable',
              key,
            ).id
          }`,
        )
      show({ unset: keys.length }, options, () => say('Removed. It takes effect with the next deployment.'))
    },
  )
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString().replace(/\n$/, '')
}
