import { messageOf } from '../../model/error.ts'
import type { Provisioning } from '../port.ts'
import type { DockerClient } from './client.ts'

type Info = {
  ServerVersion: string
  OSType: string
  SecurityOptions: string[] | null
  Runtimes: Record<string, unknown>
  NCPU: number
  MemTotal: number
  Driver: string
  CgroupVersion?: string
}

/** Oldest Docker Engine that is driven. */
const OLDEST = [20, 10]

/** What the Docker Engine of this machine has and lacks. */
export class DockerCheck implements Provisioning {
  readonly #docker: DockerClient
  readonly #edgeImage: string

  constructor(docker: DockerClient, edgeImage: string) {
    this.#docker = docker
    this.#edgeImage = edgeImage
  }

  async install(): Promise<void> {
    // bin/up brings what this engine needs before there is a cluster.
  }

  async uninstall(): Promise<void> {
    // bin/down takes it away.
  }

  async check() {
    try {
      const info = await this.#docker.call<Info>('GET', '/info')
      const edge = await this.#docker.find('GET', `/images/${encodeURIComponent(this.#edgeImage)}/json`)
      const [major = 0, minor = 0] = info.ServerVersion.split('.').map(Number)
      const rootless = (info.SecurityOptions ?? []).some((option) => option.includes('rootless'))
      return [
        {
          what: 'docker',
          found: info.ServerVersion,
          ok: major > (OLDEST[0] ?? 0) || (major === OLDEST[0] && minor >= (OLDEST[1] ?? 0)),
          remedy: `Docker Engine ${OLDEST.join('.')} or newer is needed.`,
        },
        {
          what: 'mode',
          found: rootless ? 'rootless' : 'rootful',
          ok: !rootless,
          remedy: 'A rootless engine gives instances no address that the edge can reach: use a rootful one.',
        },
        {
          what: 'machine',
          found: `${info.NCPU} CPUs, ${Math.round(info.MemTotal / 1024 ** 3)} GiB, ${info.Driver}, cgroup v${info.CgroupVersion ?? '1'}`,
          ok: true,
          remedy: '',
        },
        {
          what: 'edge image',
          found: edge ? this.#edgeImage : 'missing',
          ok: edge !== undefined,
          remedy: 'Run bin/up: it makes or pulls it.',
        },
        { what: 'gpu', found: 'nvidia' in info.Runtimes ? 'NVIDIA runtime' : 'none', ok: true, remedy: '' },
      ]
    } catch (error) {
      return [{ what: 'docker', found: messageOf(error), ok: false, remedy: 'Start the Docker Engine, or set BERTH_DOCKER_SOCKET.' }]
    }
  }
}
