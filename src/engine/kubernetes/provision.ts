import { setTimeout as pause } from 'node:timers/promises'
import { AppError } from '../../model/error.ts'
import { systemNamespace } from '../../model/cluster.ts'
import type { Finding, Provisioning } from '../port.ts'
import { Addons, type AddonBook, type AddonSource } from './addon/addons.ts'
import { Objects } from './apply.ts'
import { ENVOY_CONTROLLER, findings, gatewayClasses } from './check.ts'
import type { KubeClient } from './client.ts'
import { Inventory, type InventoryBook } from './inventory.ts'
import { labels, ownLabels, selector } from './label.ts'
import { pathOf, pathTo, type Condition, type KubeObject, type Reference } from './object.ts'
import { renderQuota } from './render/environment.ts'
import { CERTIFICATE, GATEWAY, QUOTA } from './render/name.ts'
import { renderGateway } from './render/gateway.ts'
import { ClusterRegistry } from './registry.ts'
import type { RenderContext } from './render/pod.ts'

/** Milliseconds that the gateway may take to get an address and be programmed, and that a namespace may take to go. */
const GATEWAY_LIMIT = 180_000
const REMOVAL_LIMIT = 60_000
const UNINSTALL_LIMIT = 300_000
const LOOK = 500

const REMEDY = 'let Berth bring Envoy Gateway (berth cluster edit --addons envoy-gateway) or install it, then deploy the cluster again.'

type Gateway = KubeObject & { status?: { conditions?: Condition[]; addresses?: { value: string }[] } }

/** Brings onto a cluster what Berth needs for itself, and says what it has and lacks. */
export class KubernetesProvisioning implements Provisioning {
  readonly #client: KubeClient
  readonly #render: RenderContext
  readonly #certificate: () => Promise<{ chain: string; key: string }>
  readonly #objects: Objects
  readonly #addons: Addons
  readonly registry: ClusterRegistry

  /** `certificate`: of Berth's own authority, for clusters without an issuer. */
  constructor(
    client: KubeClient,
    render: RenderContext,
    of: {
      certificate: () => Promise<{ chain: string; key: string }>
      book: InventoryBook
      addons: { book: AddonBook; source: AddonSource }
    },
  ) {
    this.#client = client
    this.#render = render
    this.#certificate = of.certificate
    this.#objects = new Objects(client, new Inventory(of.book))
    this.#addons = new Addons(client, of.addons)
    this.registry = new ClusterRegistry(client, render, this.#objects)
  }

  async check(): Promise<Finding[]> {
    const rows = await findings(this.#client, this.#render)
    // A cluster that does not answer is one row.
    return rows.length > 1 ? [...rows, ...(await this.#addons.findings(this.#render.options.addons))] : rows
  }

  async install(note: (line: string) => void, signal: AbortSignal): Promise<void> {
    const { options } = this.#render
    const namespace = systemNamespace(this.#render.clusterId.slice(0, 8))
    await this.#refuseForeign(namespace)
    await this.#addons.bring(options.addons, { note, signal })
    const { name: gatewayClass, controller } = await this.#gatewayClass()
    const certificate = options.issuer === null ? await this.#certificate() : null
    // A certificate of an issuer that was cleared since would be written over Berth's own again and again.
    if (certificate) await this.#objects.remove({ kind: 'Certificate', namespace, name: CERTIFICATE }, null)
    for (const object of renderGateway(this.#render, { gatewayClass, isEnvoy: controller === ENVOY_CONTROLLER, certificate })) {
      await this.#objects.apply(object, { signal })
      note(`${object.kind} ${object.metadata.name} is applied`)
    }
    await this.#limitEnvironments(signal)
    if (options.ownRegistry) await this.registry.bring(options.ownRegistry, { note, signal })
    else await this.registry.takeAway({ note, signal })
    note('Waiting until the gateway has an address, for 180 s at most')
    const address = await this.#programmed({ kind: 'Gateway', namespace, name: GATEWAY }, signal)
    await this.#addons.removeOthers(options.addons, { note, signal })
    note(`The gateway answers at ${address}: let *.${options.domain} point there`)
  }

  /** The certificate of Berth's own authority, again: it is renewed before it ends. */
  async renewCertificate(signal: AbortSignal): Promise<void> {
    if (this.#render.options.issuer !== null) return
    const [, secret] = renderGateway(this.#render, { gatewayClass: '', isEnvoy: false, certificate: await this.#certificate() })
    const namespace = systemNamespace(this.#render.clusterId.slice(0, 8))
    if (secret && (await this.#client.find('GET', pathTo({ kind: 'Gateway', namespace, name: GATEWAY }))))
      await this.#objects.apply(secret, { signal })
  }

  async uninstall(): Promise<void> {
    await this.#removeNamespace()
    await this.#addons.removeOthers([], { note: () => undefined, signal: AbortSignal.timeout(UNINSTALL_LIMIT) })
  }

  async #removeNamespace(): Promise<void> {
    const reference: Reference = { kind: 'Namespace', namespace: '', name: systemNamespace(this.#render.clusterId.slice(0, 8)) }
    const live = await this.#client.find<KubeObject>('GET', pathTo(reference), { patience: 2000, limit: 5000 })
    if (!live || live.metadata.labels?.[labels.cluster] !== this.#render.clusterId) return
    await this.#objects.remove(reference, live.metadata.uid ?? null)
    const until = Date.now() + REMOVAL_LIMIT
    while (Date.now() < until && (await this.#client.find('GET', pathTo(reference)))) await pause(LOOK)
  }

  /** A changed quota holds at once for the environments that are there; others get it with their first deployment. */
  async #limitEnvironments(signal: AbortSignal): Promise<void> {
    const { clusterId, options } = this.#render
    const ours = selector({ [labels.cluster]: clusterId })
    const { items } = await this.#client.call<{ items: KubeObject[] }>('GET', `${pathOf('Namespace')}?labelSelector=${ours}`, { signal })
    for (const { metadata } of items.filter((one) => one.metadata.labels?.[labels.environment] !== undefined && !isEnding(one))) {
      try {
        const wanted = renderQuota(metadata.name, ownLabels(metadata.labels), options.environmentQuota)
        for (const object of wanted) await this.#objects.apply(object, { signal })
        if (wanted.length === 0) await this.#objects.remove({ kind: 'ResourceQuota', namespace: metadata.name, name: QUOTA }, null)
      } catch (error) {
        // An environment may be deleted meanwhile: it needs no quota any more.
        const live = await this.#client.find<KubeObject>('GET', pathTo({ kind: 'Namespace', namespace: '', name: metadata.name }))
        if (live && !isEnding(live)) throw error
      }
    }
  }

  async #refuseForeign(namespace: string): Promise<void> {
    const live = await this.#client.find<KubeObject>('GET', pathTo({ kind: 'Namespace', namespace: '', name: namespace }))
    if (live && live.metadata.labels?.[labels.cluster] !== this.#render.clusterId)
      throw new AppError('conflict', `The namespace ${namespace} exists on the cluster and belongs to somebody else.`)
  }

  async #gatewayClass(): Promise<{ name: string; controller: string }> {
    const wanted = this.#render.options.gatewayClass
    const classes = await gatewayClasses(this.#client)
    if (!classes) throw new AppError('invalid', `The cluster has no Gateway API: ${REMEDY}`)
    const found = wanted === null ? classes[0] : classes.find((one) => one.name === wanted)
    if (!found)
      throw new AppError(
        'invalid',
        `The cluster has the Gateway API, but no GatewayClass${wanted === null ? '' : ` ${wanted}`} that is accepted: ${REMEDY}`,
      )
    return found
  }

  async #programmed(reference: Reference, signal: AbortSignal): Promise<string> {
    const until = Date.now() + GATEWAY_LIMIT
    let why = 'nobody has taken it up'
    while (Date.now() < until) {
      const live = await this.#client.call<Gateway>('GET', pathTo(reference), { signal })
      const programmed = live.status?.conditions?.find((one) => one.type === 'Programmed')
      const address = live.status?.addresses?.[0]?.value
      if (programmed?.status === 'True' && address) return address
      if (programmed) why = `${programmed.reason}: ${programmed.message ?? ''}`
      await pause(LOOK, undefined, { signal })
    }
    throw new AppError(
      'unavailable',
      `The gateway was not ready after ${GATEWAY_LIMIT / 1000} s (${why}). Its controller must run, and the cluster must give load balancers an address.`,
    )
  }
}

const isEnding = ({ metadata }: KubeObject): boolean => metadata.deletionTimestamp !== undefined
