import { AppError } from '../../../model/error.ts'
import type { KubeClient } from '../client.ts'

type Resources = { resources: { name: string; kind: string; namespaced: boolean }[] }
type Thing = { apiVersion: string; kind: string; namespace: string; name: string }

/** How the API server spells the kinds it has: asked per API, and asked anew when a kind is not among the known ones. */
export class Discovery {
  readonly #client: KubeClient
  readonly #known = new Map<string, Resources>()

  constructor(client: KubeClient) {
    this.#client = client
  }

  async isNamespaced(apiVersion: string, kind: string): Promise<boolean> {
    return (await this.#resource(apiVersion, kind)).namespaced
  }

  async pathTo(thing: Thing): Promise<string> {
    const { name, namespaced } = await this.#resource(thing.apiVersion, thing.kind)
    const base = baseOf(thing.apiVersion)
    return `${namespaced ? `${base}/namespaces/${thing.namespace}` : base}/${name}/${encodeURIComponent(thing.name)}`
  }

  async #resource(apiVersion: string, kind: string): Promise<Resources['resources'][number]> {
    const find = (all: Resources | undefined) => all?.resources.find((one) => one.kind === kind && !one.name.includes('/'))
    let found = find(this.#known.get(apiVersion))
    if (!found) {
      const all = await this.#client.find<Resources>('GET', baseOf(apiVersion))
      if (all) this.#known.set(apiVersion, all)
      found = find(all)
    }
    if (!found) throw new AppError('not_found', `The cluster has no ${kind} of ${apiVersion}.`)
    return found
  }
}

const baseOf = (apiVersion: string): string => (apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`)
