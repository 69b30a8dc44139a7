import { AppError, messageOf } from '../../model/error.ts'
import { referenceOf } from '../../model/image.ts'
import { sameRollout } from '../../model/observation.ts'
import type { PullAccess } from '../../model/registry.ts'
import { targetName, type Place, type Target, type Workload } from '../../model/workload.ts'
import type { ApplyContext } from '../port.ts'
import { frames, type DockerClient } from './client.ts'
import { NOTHING_KNOWN } from './fates.ts'
import { hostRoutes } from './host-routes.ts'
import { filters, labels, placeLabels, runtimeIn, targetIn } from './label.ts'
import { nameOf, observeInstance, type Inspected } from './observe.ts'
import { renderContainer, volumeName } from './render/container.ts'

/** Addresses and names that outlive a process: rows of the store, handed in by `server.ts`. */
export type AddressBook = {
  /** `taken`: subnets that Docker's other networks have, or that the machine routes elsewhere. */
  subnet(environmentId: string, taken: string[]): Promise<string>
  address(environmentId: string, subnet: string, instance: string): Promise<string>
  release(environmentId: string, instance: string): Promise<void>
}

type Network = { IPAM: { Config: { Subnet?: string }[] | null } }

/** Lines kept of a removed instance. */
const KEPT_LINES = 1000
/** Milliseconds between taking an instance out of the edge and stopping it, so that requests already on their way still arrive. */
const SETTLE = 500

export const networkName = (environmentId: string): string => `berth-${environmentId.slice(0, 8)}-${environmentId.slice(9, 13)}`

/** Creates, starts and removes containers, networks and volumes. */
export class Instances {
  readonly #docker: DockerClient
  readonly #clusterId: string
  readonly #book: AddressBook

  constructor(docker: DockerClient, clusterId: string, book: AddressBook) {
    this.#docker = docker
    this.#clusterId = clusterId
    this.#book = book
  }

  async list(place: Pick<Place, 'applicationId'>): Promise<Inspected[]> {
    const found = await this.#docker.call<{ Id: string }[]>(
      'GET',
      `/containers/json?all=true&filters=${filters(`${labels.cluster}=${this.#clusterId}`, `${labels.application}=${place.applicationId}`)}`,
    )
    const inspected = await Promise.all(found.map(({ Id }) => this.#docker.find<Inspected>('GET', `/containers/${Id}/json`)))
    return inspected.filter((one) => one !== undefined)
  }

  /** The network of the environment, and an image that is really there. */
  async prepare(workload: Workload, context: ApplyContext): Promise<void> {
    await this.#network(workload.place)
    const reference = referenceOf(workload.image)
    if (await this.#docker.find('GET', `/images/${encodeURIComponent(reference)}/json`)) return
    if (workload.image.kind === 'local')
      throw new AppError('invalid', `The image ${reference} is not on this cluster any more: deploy again to build it.`)
    context.note(`Pulling ${reference}`)
    await this.#pull(reference, workload.access, context.signal)
  }

  async start(workload: Workload, targets: Target[], context: ApplyContext): Promise<void> {
    await Promise.all(targets.map((target) => this.#startOne(workload, target, context)))
  }

  /** Removes every instance that is not kept: pre-stop command, SIGTERM, grace period, SIGKILL, one after the other's lines are kept. */
  async retire(place: Place, keep: Target[], context: ApplyContext, onStopping: (name: string) => void): Promise<void> {
    const gone = (await this.list(place)).filter((found) => {
      const target = targetIn(found.Config.Labels)
      return !keep.some((kept) => kept.index === target.index && sameRollout(kept, target))
    })
    if (gone.length === 0) return
    for (const found of gone) onStopping(nameOf(found))
    if (gone.some((found) => found.State.Running)) await new Promise((resolve) => setTimeout(resolve, SETTLE))
    await Promise.all(gone.map((found) => this.#removeOne(place, found, context)))
  }

  /** Volumes and images of an application. */
  async removeRest(place: Place): Promise<void> {
    const found = await this.#docker.call<{ Volumes: { Name: string }[] | null }>(
      'GET',
      `/volumes?filters=${filters(`${labels.cluster}=${this.#clusterId}`, `${labels.application}=${place.applicationId}`)}`,
    )
    for (const volume of found.Volumes ?? []) await this.#docker.find('DELETE', `/volumes/${volume.Name}`)
  }

  async removeNetwork(environmentId: string): Promise<void> {
    await this.#docker.find('DELETE', `/networks/${networkName(environmentId)}`)
  }

  async startAgain(name: string): Promise<void> {
    await this.#docker.find('POST', `/containers/${name}/start`)
  }

  async restart(name: string, grace: number): Promise<void> {
    await this.#docker.find('POST', `/containers/${name}/restart?t=${grace}`, { limit: (grace + 60) * 1000 })
  }

  /** Exit code of a command in an instance; -1 when it took longer than `seconds`. */
  async exec(name: string, command: string[], seconds: number): Promise<number> {
    const created = await this.#docker.call<{ Id: string }>('POST', `/containers/${name}/exec`, {
      body: { Cmd: command, AttachStdout: true, AttachStderr: true },
    })
    const signal = AbortSignal.timeout(seconds * 1000)
    try {
      const stream = await this.#docker.stream('POST', `/exec/${created.Id}/start`, { body: { Detach: false, Tty: false }, signal })
      for await (const _ of stream) continue
    } catch (error) {
      if (signal.aborted) return -1
      throw error
    }
    const result = await this.#docker.call<{ ExitCode: number | null }>('GET', `/exec/${created.Id}/json`)
    return result.ExitCode ?? -1
  }

  async #startOne(workload: Workload, target: Target, context: ApplyContext): Promise<void> {
    const name = targetName(workload.place, target)
    const existing = await this.#docker.find<Inspected>('GET', `/containers/${name}/json`)
    if (existing?.State.Running) return
    if (!existing) await this.#create(workload, target, name)
    context.note(`Starting instance ${name}`)
    try {
      await this.#docker.call('POST', `/containers/${name}/start`)
    } catch (error) {
      throw new AppError(
        'invalid',
        `The instance ${name} could not be started: ${messageOf(error)
          .replace(/^.*OCI runtime create failed: /s, '')
          .slice(0, 600)}`,
      )
    }
  }

  async #create(workload: Workload, target: Target, name: string): Promise<void> {
    const { place } = workload
    const network = await this.#network(place)
    for (const volume of workload.volumes)
      await this.#docker.call('POST', '/volumes/create', {
        body: {
          Name: volumeName(place.name, volume.id, target.index),
          Labels: { ...placeLabels(this.#clusterId, place), [labels.volume]: volume.id },
        },
      })
    const address = await this.#book.address(place.environmentId, network.subnet, name)
    const body = renderContainer({ clusterId: this.#clusterId, network: network.name, address, workload, target })
    try {
      await this.#docker.call('POST', `/containers/create?name=${name}`, { body })
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'conflict') throw error
    }
  }

  async #network(place: Place): Promise<{ name: string; subnet: string }> {
    const name = networkName(place.environmentId)
    const existing = await this.#docker.find<Network>('GET', `/networks/${name}`)
    if (existing) return { name, subnet: existing.IPAM.Config?.[0]?.Subnet ?? '' }
    const others = await this.#docker.call<Network[]>('GET', '/networks')
    const networks = others.flatMap((one) => one.IPAM.Config ?? []).flatMap((one) => one.Subnet ?? [])
    const subnet = await this.#book.subnet(place.environmentId, [...networks.filter((one) => one.includes('.')), ...hostRoutes()])
    const body = {
      Name: name,
      CheckDuplicate: true,
      Driver: 'bridge',
      IPAM: { Config: [{ Subnet: subnet }] },
      Labels: { [labels.cluster]: this.#clusterId, [labels.organization]: place.organizationId, [labels.environment]: place.environmentId },
    }
    try {
      await this.#docker.call('POST', '/networks/create', { body })
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'conflict') throw error
    }
    return { name, subnet }
  }

  async #removeOne(place: Place, found: Inspected, context: ApplyContext): Promise<void> {
    const name = nameOf(found)
    const { gracePeriod, preStop } = runtimeIn(found.Config.Labels)
    const begun = Date.now()
    if (found.State.Running) {
      context.note(`Stopping instance ${name} (up to ${gracePeriod} s)`)
      if (preStop.length > 0) await this.exec(name, preStop, gracePeriod).catch(() => -1)
      const left = Math.max(1, Math.round(gracePeriod - (Date.now() - begun) / 1000))
      await this.#docker.find('POST', `/containers/${name}/stop?t=${left}`, { limit: (left + 60) * 1000 })
    }
    const lines = await this.#lastLines(name).catch(() => '')
    const ended = (await this.#docker.find<Inspected>('GET', `/containers/${name}/json`)) ?? found
    const exit = observeInstance(ended, { ...NOTHING_KNOWN, verdict: undefined }).lastExit
    await context.keep({ instance: name, lines, exit })
    await this.#docker.find('DELETE', `/containers/${name}?force=true&v=true`)
    await this.#book.release(place.environmentId, name)
  }

  async #lastLines(name: string): Promise<string> {
    const stream = await this.#docker.stream('GET', `/containers/${name}/logs?stdout=1&stderr=1&timestamps=1&tail=${KEPT_LINES}`)
    const lines: string[] = []
    for await (const frame of frames(stream)) lines.push(frame.data.toString())
    return lines.join('').slice(-500_000)
  }

  async #pull(reference: string, access: PullAccess | null, signal: AbortSignal): Promise<void> {
    const stream = await this.#docker.stream('POST', `/images/create?fromImage=${encodeURIComponent(reference)}`, {
      signal,
      limit: 600_000,
      ...(access ? { headers: { 'x-registry-auth': authOf(access) } } : {}),
    })
    let rest = ''
    for await (const chunk of stream) {
      rest = (rest + String(chunk)).slice(-20_000)
      const failed = /"error":"((?:[^"\\]|\\.)*)"/.exec(rest)
      if (failed) throw new AppError('invalid', `The image ${reference} could not be pulled: ${failed[1]}`)
    }
  }
}

const authOf = ({ registry, username, password }: PullAccess): string =>
  Buffer.from(JSON.stringify({ username, password: password.reveal(), serveraddress: registry })).toString('base64url')
