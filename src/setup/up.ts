import { existsSync, readFileSync } from 'node:fs'
import { Client } from '../cli/client.ts'
import { localContextFile, type Context } from '../cli/context.ts'
import { readConfig } from '../config.ts'
import { messageOf } from '../model/error.ts'
import { writePrivate } from '../wire/home.ts'
import { ensureDocker, missing } from './docker.ts'
import { ensureBaseImage, ensureEdgeImage } from './images.ts'
import { step } from './progress.ts'
import { has } from './run.ts'
import { ensureSample } from './sample.ts'
import { ensureServer } from './server.ts'

type Named = { id: string; name: string }

/** From nothing to a running platform with a sample application; run again, it changes nothing and says so. */
async function up(withSample: boolean): Promise<void> {
  const config = readConfig(process.env)
  if (!has('git')) throw missing([['git', 'not found', 'install it with the package manager of your system']])
  const at = { socket: config.dockerSocket, home: config.home }
  await step('Docker Engine', async (say) => ({ said: await ensureDocker(at, say), value: undefined }))
  await step('Edge image (Envoy)', async (say) => ({ said: await ensureEdgeImage(at, config.edge.image, say), value: undefined }))
  if (withSample) await step('Base image of the sample', async (say) => ({ said: await ensureBaseImage(at, say), value: undefined }))
  const { info, started } = await step('Server', async () => {
    const found = await ensureServer(config)
    return { said: `${found.started ? 'started' : 'running'} at ${found.info.apiUrl}`, value: found }
  })
  const client = new Client(info.apiUrl, readFileSync(info.tokenFile, 'utf8').trim())
  const context = await step('Organization, project, environment, cluster', async () => {
    const found = await ensurePlace(client)
    return { said: found.made.length > 0 ? `made ${found.made.join(', ')}` : 'there', value: found }
  })
  writePrivate(localContextFile(), JSON.stringify(context.place))
  const sample = withSample
    ? await step('Sample application', async (say) => {
        const found = await ensureSample({ client, info, environmentId: context.place.environmentId, home: config.home }, say)
        return { said: found.changed ? `live at ${found.url}` : 'live', value: found }
      })
    : undefined
  const unchanged = !started && context.made.length === 0 && !sample?.changed
  const lines = [
    '',
    unchanged ? 'Everything was running already; nothing was changed.' : 'Berth is running.',
    `  API          ${info.apiUrl}`,
    ...(sample ? [`  Application  ${sample.url}   (curl --cacert ${info.caFile} ${sample.url})`] : []),
    '',
    'How to go on:',
    ...(sample ? [`  cd ${sample.folder}, change hello.pl, git commit -am "Change it", git push berth`] : []),
    '  bin/berth init        in a repository of yours with a Dockerfile, then git push berth',
    '  bin/berth app list    what runs, and where',
    '  bin/down              stop everything; bin/down --purge removes it',
    '',
  ]
  process.stdout.write(lines.join('\n'))
}

async function ensurePlace(
  client: Client,
): Promise<{ place: Required<Pick<Context, 'organizationId' | 'projectId' | 'environmentId' | 'clusterId'>>; made: string[] }> {
  const made: string[] = []
  const before: Context = existsSync(localContextFile()) ? (JSON.parse(readFileSync(localContextFile(), 'utf8')) as Context) : {}
  const ensure = async (
    noun: string,
    of: { list: string; create: string; known: string | undefined; body: Record<string, unknown> },
  ): Promise<string> => {
    const all = await client.list<Named>(of.list)
    const found = all.find((one) => one.id === of.known) ?? all[0]
    if (found) return found.id
    made.push(noun)
    return (await client.post<Named>(of.create, of.body)).id
  }
  const organizationId = await ensure('organization', {
    list: '/organization',
    create: '/organization',
    known: before.organizationId,
    body: { name: 'berth', plan: 'FREE' },
  })
  const clusters = `/organization/${organizationId}/cluster`
  const clusterId = await ensure('cluster', {
    list: clusters,
    create: clusters,
    known: before.clusterId,
    body: { name: 'local', region: 'on-premise', cloud_provider: 'ON_PREMISE', kubernetes: 'SELF_MANAGED', engine: 'docker' },
  })
  const projects = `/organization/${organizationId}/project`
  const projectId = await ensure('project', { list: projects, create: projects, known: before.projectId, body: { name: 'main' } })
  const environments = `/project/${projectId}/environment`
  const environmentId = await ensure('environment', {
    list: environments,
    create: environments,
    known: before.environmentId,
    body: { name: 'production', mode: 'PRODUCTION', cluster: clusterId },
  })
  return { place: { organizationId, projectId, environmentId, clusterId }, made }
}

up(!process.argv.includes('--no-sample')).catch((error: unknown) => {
  process.stderr.write(`bin/up: ${messageOf(error)}\n`)
  process.exit(1)
})
