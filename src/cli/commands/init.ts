import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { AppError } from '../../model/error.ts'
import { slug } from '../../model/name.ts'
import { connect } from '../context.ts'
import { say, show } from '../output.ts'
import { environmentOf, listApps, type App } from '../select.ts'

type Options = {
  environment?: string
  project?: string
  name?: string
  port?: string
  branch?: string
  dockerfile?: string
  json?: boolean
}

const bin = resolve(import.meta.dirname, '../../../bin/berth')

/** Turns a repository into an application of Berth: finds Dockerfile and port, creates it, adds the remote. */
export function initCommand(program: Command): void {
  program
    .command('init')
    .description('make the repository you are in an application: then git push berth')
    .option('-n, --name <name>', 'name; by default that of the folder')
    .option('--port <port>', 'port; by default the one that the Dockerfile exposes')
    .option('--branch <branch>', 'branch that is deployed; by default the one you are on')
    .option('--dockerfile <path>', 'Dockerfile', 'Dockerfile')
    .option('-e, --environment <name>', 'environment')
    .option('-p, --project <name>', 'project')
    .option('--json', 'print JSON')
    .action(async (options: Options) => {
      const top = git(['rev-parse', '--show-toplevel'], 'This folder is in no Git repository: run git init -b main first.')
      const branch =
        options.branch ??
        git(['symbolic-ref', '--short', 'HEAD'], 'The repository is on no branch: run git switch main, or name one with --branch.')
      const port = portOf(top, options)
      const { client, context } = connect()
      const environmentId = await environmentOf(client, context, options)
      const name = slug(options.name ?? basename(top)).replace(/[^a-z0-9-]/g, '-')
      const url = `${client.apiUrl}/git/${environmentId}/${name}.git`
      const found = (await listApps(client, environmentId)).find((one) => one.name === name)
      if (found && found.git_repository?.url !== url)
        throw new AppError('conflict', `There is another application named ${name} in this environment: choose a name with --name.`)
      const app =
        found ??
        (await client.post<App>(`/environment/${environmentId}/application`, {
          name,
          git_repository: { url, provider: 'GITHUB', branch },
          dockerfile_path: options.dockerfile,
          healthchecks: {},
          ports: [{ internal_port: port, publicly_accessible: true, protocol: 'HTTP' }],
        }))
      addRemote({ apiUrl: client.apiUrl, url, branch })
      const links = await client.list<{ url: string }>(`/application/${app.id}/link`)
      show({ id: app.id, name, remote: url, url: links[0]?.url ?? null }, options, () =>
        say(
          `${name} is ${found ? 'here already' : 'created'}: port ${port}, branch ${branch}, address ${links[0]?.url ?? 'none'}\nDeploy it with: git push berth`,
        ),
      )
    })
  program.command('git-credential <operation>', { hidden: true }).action((operation: string) => {
    if (operation !== 'get') return
    const { client } = connect()
    say(`username=berth\npassword=${client.token}`)
  })
}

function git(argv: string[], otherwise: string): string {
  const result = spawnSync('git', argv, { encoding: 'utf8' })
  if (result.status !== 0) throw new AppError('invalid', otherwise)
  return result.stdout.trim()
}

function portOf(top: string, options: Options): number {
  const file = join(top, options.dockerfile ?? 'Dockerfile')
  if (!existsSync(file))
    throw new AppError(
      'invalid',
      `There is no ${options.dockerfile ?? 'Dockerfile'} in ${top}. Write one, or name another place with --dockerfile.`,
    )
  const exposed = /^\s*EXPOSE\s+(\d+)/im.exec(readFileSync(file, 'utf8'))?.[1]
  const port = Number(options.port ?? exposed)
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new AppError('invalid', 'The Dockerfile has no EXPOSE: say on which port the application listens with --port.')
  return port
}

/** `git push berth` alone then pushes the branch that is deployed. The token is never written into the repository: git asks this program for it. */
function addRemote({ apiUrl, url, branch }: { apiUrl: string; url: string; branch: string }): void {
  const existing = spawnSync('git', ['remote', 'get-url', 'berth'], { encoding: 'utf8' })
  git(['remote', existing.status === 0 ? 'set-url' : 'add', 'berth', url], 'The remote berth could not be added.')
  git(['config', '--replace-all', 'remote.berth.push', `refs/heads/${branch}:refs/heads/${branch}`], 'The branch to push could not be set.')
  git(['config', '--replace-all', `credential.${apiUrl}.helper`, `${bin} git-credential`], 'The credential helper could not be set.')
}
