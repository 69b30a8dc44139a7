import type { Command } from 'commander'
import { AppError } from '../../model/error.ts'
import { connect } from '../context.ts'
import { say, show, table } from '../output.ts'
import { appOf, environmentOf, pathOf } from '../select.ts'
import { common, waiting, type Common } from './common.ts'
import { finish } from './finish.ts'

type Release = {
  id: string
  revision: number
  created_at: string
  image: string
  commit: { git_commit_id: string; message: string } | null
  is_serving: boolean
  is_image_available: boolean | null
}
type Diff = { from: number | null; to: number; changes: string[]; not_undone: string[]; is_image_available: boolean | null }
type Preview = {
  from: number | null
  changes: string[]
  objects: { object: string; action: string; lines: string[] }[] | null
  notes: string[]
}

/** What was released, what would change, and the way back. */
export function releaseCommands(app: Command): void {
  releases(app)
  diff(app)
  rollback(app)
}

function releases(app: Command): void {
  common(app.command('releases [name]').description('the releases of an application, newest first')).action(
    async (name: string | undefined, options: Common) => {
      const { client, context } = connect()
      const one = await appOf(client, await environmentOf(client, context, options), name)
      const rows = await client.list<Release>(`${pathOf(one)}/release`)
      show(rows, options, () =>
        table(
          rows.map((row) => ({
            release: row.revision,
            '': row.is_serving ? 'serves' : row.is_image_available === false ? 'image gone' : '',
            made: row.created_at.slice(0, 16).replace('T', ' '),
            what: row.commit ? `${row.commit.git_commit_id.slice(0, 12)} ${row.commit.message.slice(0, 60)}` : row.image,
          })),
          'No release yet: deploy it.',
        ),
      )
    },
  )
}

function diff(app: Command): void {
  common(app.command('diff [name]').description('what deploying would change; with --to, what going back to a release would'))
    .option('--to <release>', 'number of a release')
    .option('--commit <id>', 'commit that would be deployed')
    .option('--tag <tag>', 'tag that would be deployed')
    .action(async (name: string | undefined, options: Common & { to?: string; commit?: string; tag?: string }) => {
      const { client, context } = connect()
      const one = await appOf(client, await environmentOf(client, context, options), name)
      if (options.to !== undefined) {
        const found = await client.get<Diff>(`${pathOf(one)}/release/${numberIn(options.to)}/diff`)
        return show(found, options, () => sayDiff(found))
      }
      const found = await client.post<Preview>(`${pathOf(one)}/deploy?dryRun=true`, {
        ...(options.commit ? { git_commit_id: options.commit } : {}),
        ...(options.tag ? { image_tag: options.tag } : {}),
      })
      show(found, options, () => {
        for (const line of found.changes) say(line)
        for (const note of found.notes) say(note)
        for (const object of found.objects ?? []) {
          say(`\n${object.object} would be ${{ create: 'created', change: 'changed', remove: 'removed' }[object.action] ?? object.action}`)
          for (const line of object.lines) say(`  ${line}`)
        }
      })
    })
}

function rollback(app: Command): void {
  waiting(app.command('rollback [name]').description('go back to a release: image, configuration and variables together'))
    .requiredOption('--to <release>', 'number of the release (berth app releases lists them)')
    .option('--yes', 'do not ask')
    .action(async (name: string | undefined, options: Common & { to: string; yes?: boolean }) => {
      const { client, context } = connect()
      const environmentId = await environmentOf(client, context, options)
      const one = await appOf(client, environmentId, name)
      const base = `${pathOf(one)}/release/${numberIn(options.to)}`
      const found = await client.get<Diff>(`${base}/diff`)
      if (!options.json) sayDiff(found)
      if (!options.yes) throw new AppError('invalid', `This goes back to release ${found.to}. Say so with --yes.`)
      const status = await client.post<{ state: string }>(`${base}/deploy`)
      if (options.wait) return finish(client, environmentId, options)
      show(status, options, () => say(`${one.name}: ${status.state}`))
    })
}

function numberIn(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new AppError('invalid', `expected the number of a release, found ${JSON.stringify(text)}`)
  return Number(text)
}

function sayDiff(found: Diff): void {
  say(found.changes.length === 0 ? `Release ${found.to} is what serves.` : `From release ${found.from ?? '(none)'} to ${found.to}:`)
  for (const line of found.changes) say(`  ${line}`)
  for (const line of found.not_undone) say(line)
  if (found.is_image_available === false) say(`The image of release ${found.to} is not there any more: deploy its commit instead.`)
}
