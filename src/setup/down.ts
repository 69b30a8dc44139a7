import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig } from '../config.ts'
import { DockerClient } from '../engine/docker/client.ts'
import { messageOf } from '../model/error.ts'
import { ownDockerd } from './docker.ts'
import { stopServer } from './server.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)
type Listed = { Id: string; Names?: string[]; Name?: string }

/** Stops all that `bin/up` started; with `--purge`, removes all that Berth made and shows that nothing is left. */
async function down(purge: boolean): Promise<void> {
  const config = readConfig(process.env)
  say(`Server: ${(await stopServer(config.home)) ? 'stopped' : 'was not running'}`)
  const docker = new DockerClient(config.dockerSocket)
  const reachable = await docker.call('GET', '/version').then(
    () => true,
    () => false,
  )
  if (reachable) {
    for (const cluster of clustersOf(config.home)) await takeDown(docker, cluster, purge)
    if (purge) await removeImages(docker, config)
  }
  stopDockerd(config.home)
  if (!purge) return say('Volumes, images and settings are kept: bin/up goes on where this stopped.')
  rmSync(config.home, { recursive: true, force: true })
  await prove(docker, config.home, reachable)
}

/** Clusters that the server of this folder has driven: it leaves a mark for each. */
const clustersOf = (home: string): string[] => (existsSync(join(home, 'clusters')) ? readdirSync(join(home, 'clusters')) : [])
const filter = (label: string): string => `filters=${encodeURIComponent(JSON.stringify({ label: [label] }))}`

async function takeDown(docker: DockerClient, cluster: string, purge: boolean): Promise<void> {
  const label = `berth.cluster=${cluster}`
  const containers = await docker.call<Listed[]>('GET', `/containers/json?all=true&${filter(label)}`)
  await Promise.all(containers.map((one) => docker.find('POST', `/containers/${one.Id}/stop?t=10`, { limit: 60_000 })))
  say(`Containers: ${containers.length} stopped`)
  if (!purge) return
  for (const one of containers) await docker.find('DELETE', `/containers/${one.Id}?force=true&v=true`)
  const networks = await docker.call<Listed[]>('GET', `/networks?${filter(label)}`)
  for (const one of networks) await docker.find('DELETE', `/networks/${one.Id}`)
  const { Volumes } = await docker.call<{ Volumes: Listed[] | null }>('GET', `/volumes?${filter(label)}`)
  for (const one of Volumes ?? []) await docker.find('DELETE', `/volumes/${one.Name}`)
  const images = await docker.call<Listed[]>('GET', `/images/json?all=true&${filter(label)}`)
  for (const one of images) await docker.find('DELETE', `/images/${one.Id}?force=true`).catch(() => undefined)
  say(`Removed: ${containers.length} containers, ${networks.length} networks, ${(Volumes ?? []).length} volumes, ${images.length} images`)
}

/** The edge's image, the builder's probe and the base image, where Berth made it; an image that was there before stays. */
async function removeImages(docker: DockerClient, config: ReturnType<typeof readConfig>): Promise<void> {
  const probes = await docker.call<Listed[]>('GET', `/images/json?all=true&${filter('berth.probe=true')}`)
  const mark = join(config.home, 'made-base-image')
  const names = [...probes.map((one) => one.Id), config.edge.image, ...(existsSync(mark) ? [readFileSync(mark, 'utf8').trim()] : [])]
  for (const name of names) await docker.find('DELETE', `/images/${encodeURIComponent(name)}?force=true`).catch(() => undefined)
  await docker.find('POST', '/build/prune?all=true', { limit: 120_000 })
}

function stopDockerd(home: string): void {
  const pid = ownDockerd(home)
  if (pid === undefined) return
  process.kill(pid, 'SIGTERM')
  say('Docker Engine: stopped (bin/up had started it)')
}

async function prove(docker: DockerClient, home: string, reachable: boolean): Promise<void> {
  const answers =
    reachable &&
    (await docker.call('GET', '/version').then(
      () => true,
      () => false,
    ))
  const left = answers ? (await docker.call<Listed[]>('GET', `/containers/json?all=true&${filter('berth.cluster')}`)).length : 0
  say(
    `Left of this Berth: ${existsSync(home) ? home : 'no file'}, ${left === 0 ? 'no container' : `${left} containers of other Berth installations`}`,
  )
}

down(process.argv.includes('--purge')).catch((error: unknown) => {
  process.stderr.write(`bin/down: ${messageOf(error)}\n`)
  process.exit(1)
})
