import { execFileSync } from 'node:child_process'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { compiled, ctr } from './cluster.ts'
import { workFolder } from './server.ts'

const docker = (...argv: string[]): void => void execFileSync('/usr/bin/docker', argv, { stdio: ['ignore', 'pipe', 'pipe'] })

/** Builds a folder with Docker and pushes the image to a registry that speaks HTTP. `config`: a folder of Docker's configuration, with a password. */
export function pushImage(folder: string, of: { registry: string; name: string; tag: string; config?: string }): void {
  const local = `berth-test/${of.name}:${process.pid}-${of.tag}`
  docker('build', '--quiet', '--network=host', '--tag', local, folder)
  try {
    if (of.registry.startsWith('127.')) {
      docker('tag', local, `${of.registry}/${of.name}:${of.tag}`)
      docker(...(of.config ? ['--config', of.config] : []), 'push', '--quiet', `${of.registry}/${of.name}:${of.tag}`)
      docker('rmi', `${of.registry}/${of.name}:${of.tag}`)
    } else pushPlain(local, of)
  } finally {
    docker('rmi', '--force', local)
  }
}

/** Berth's own image by its Dockerfile, in a registry; returns its name. */
export function ownImage(registry: string): string {
  const local = 'berth-test/berth:test'
  const certificates = process.env['NODE_EXTRA_CA_CERTS']
  const secret = certificates ? ['--secret', `id=ca,src=${certificates}`] : []
  const root = resolve(import.meta.dirname, '../..')
  execFileSync('/usr/bin/docker', ['build', '--quiet', '--network=host', ...secret, '--tag', local, root], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DOCKER_BUILDKIT: '1' },
  })
  pushPlain(local, { registry, name: 'berth/berth', tag: 'test' })
  docker('rmi', '--force', local)
  return `${registry}/berth/berth:test`
}

/** A builder that needs no privileges, in a registry which it knows as Docker Hub's mirror; returns its name. */
export function rootlessBuilder(registry: string): string {
  const folder = workFolder('rootless')
  cpSync(resolve(import.meta.dirname, 'images/rootless'), folder, { recursive: true })
  for (const program of ['buildkitd', 'buildctl']) cpSync(join(compiled('build'), program), join(folder, program))
  writeFileSync(
    join(folder, 'buildkitd.toml'),
    `[registry."docker.io"]\n  mirrors = ["${registry}"]\n[registry."${registry}"]\n  http = true\n`,
  )
  const of = { registry, name: 'berth-test/rootless', tag: '1' }
  pushImage(folder, of)
  return `${registry}/${of.name}:${of.tag}`
}

/** Debian's registry as an image that is on the node and nowhere else, with its program where the published one has it. */
export function registryImage(name: string): void {
  const folder = workFolder('registry-image')
  cpSync('/usr/bin/docker-registry', join(folder, 'registry'))
  writeFileSync(join(folder, 'Dockerfile'), 'FROM debian:bookworm-slim\nCOPY registry /usr/local/bin/registry\n')
  docker('build', '--quiet', '--tag', name, folder)
  docker('save', '--output', join(folder, 'image.tar'), name)
  ctr('images', 'import', join(folder, 'image.tar'))
  docker('rmi', '--force', name)
}

/** Docker pushes over HTTP to loopback only; containerd, which the node has, to anywhere it is told. */
function pushPlain(local: string, of: { registry: string; name: string; tag: string }): void {
  const folder = workFolder('image')
  docker('save', '--output', join(folder, 'image.tar'), local)
  ctr('images', 'import', join(folder, 'image.tar'))
  // Some hundred MiB each.
  rmSync(folder, { recursive: true })
  const reference = `${of.registry}/${of.name}:${of.tag}`
  ctr('images', 'tag', '--force', `docker.io/${local}`, reference)
  ctr('images', 'push', '--plain-http', reference)
  ctr('images', 'remove', reference, `docker.io/${local}`)
}
