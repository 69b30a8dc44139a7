import { join } from 'node:path'
import type { Logger } from 'pino'
import { DockerBuilder } from '../build/docker/builder.ts'
import type { Config } from '../config.ts'
import type { ClusterAdapters } from '../deploy/dependencies.ts'
import { localCertificate } from './certificate.ts'
import { DockerCheck } from '../engine/docker/check.ts'
import { DockerClient } from '../engine/docker/client.ts'
import { EdgeLoop } from '../engine/docker/edge-loop.ts'
import { Edge } from '../engine/docker/edge.ts'
import { DockerEngine, type RouteBook } from '../engine/docker/engine.ts'
import type { EdgeInput } from '../engine/docker/render/edge.ts'
import { AppError } from '../model/error.ts'
import type { Observation } from '../model/observation.ts'
import type { Target } from '../model/workload.ts'
import type { Authority } from '../store/authority.ts'
import type { Db } from '../store/database.ts'
import { subnetOf } from '../store/environment.ts'
import type { Wakeups } from '../store/notify.ts'
import { listObservations } from '../store/observation.ts'
import { addressOf, getEdge, listRoutes, recordEdge, releaseAddress, setRoute } from '../store/route.ts'

type Wiring = { config: Config; authority: Authority; db: Db; wakeups: Wakeups; log: Logger; path: string }

/** Milliseconds that a route may take until the edge carries it. */
const ROUTE_LIMIT = 40_000

/** Everything that drives the Docker Engine of this machine as one cluster. */
export function wireDocker({ config, authority, db, wakeups, log, path }: Wiring, clusterId: string): ClusterAdapters {
  const docker = new DockerClient(config.dockerSocket)
  const user = process.getuid?.() === 0 ? null : `${process.getuid?.()}:${process.getgid?.()}`
  const edge = new Edge(docker, {
    folder: join(config.home, 'edge', clusterId.slice(0, 8)),
    image: config.edge.image,
    name: `berth-edge-${clusterId.slice(0, 8)}`,
    clusterId,
    user,
  })
  const loop = new EdgeLoop(
    edge,
    { read: () => readEdge({ config, authority, db }, clusterId), done: (version, error) => recordEdge(db, clusterId, { version, error }) },
    log,
  )
  const addresses = {
    subnet: (environmentId: string, taken: string[]) => subnetOf(db, environmentId, config.networkPool, taken),
    address: (environmentId: string, subnet: string, instance: string) => addressOf(db, { id: environmentId, subnet }, instance),
    release: (environmentId: string, instance: string) => releaseAddress(db, clusterId, environmentId, instance),
  }
  const engine = new DockerEngine(docker, clusterId, { addresses, routes: routeBook(db, wakeups, { clusterId, poke: () => loop.poke() }) })
  const image = async (reference: string): Promise<string | null> =>
    (await docker.find<{ Id: string }>('GET', `/images/${encodeURIComponent(reference)}/json`))?.Id ?? null
  const builder = new DockerBuilder({
    clusterId,
    socketPath: config.dockerSocket,
    scratch: join(config.home, 'build'),
    network: config.buildNetwork,
    parallel: config.builds,
    path,
    image,
    remove: async (imageId) => void (await docker.find('DELETE', `/images/${encodeURIComponent(imageId)}`)),
  })
  return {
    engine,
    inspection: engine,
    provisioning: new DockerCheck(docker, config.edge.image),
    builder,
    run: (signal) => loop.run(signal),
    poke: () => loop.poke(),
  }
}

/** Sets a route and waits until the edge carries it, or says why it does not. */
function routeBook(db: Db, wakeups: Wakeups, of: { clusterId: string; poke: () => void }): RouteBook {
  return {
    async set(place, targets, ports, signal) {
      const version = await setRoute(
        db,
        { applicationId: place.applicationId, organizationId: place.organizationId, clusterId: of.clusterId },
        { targets, ports },
      )
      of.poke()
      const until = Date.now() + ROUTE_LIMIT
      for (;;) {
        signal.throwIfAborted()
        const edge = await getEdge(db, of.clusterId)
        if (edge.edge_applied >= version) return
        if (edge.edge_failed >= version) throw new AppError('invalid', edge.edge_error ?? 'The edge rejected its configuration.')
        if (Date.now() > until)
          throw new AppError('unavailable', edge.edge_error ?? `The edge has not taken the route over within ${ROUTE_LIMIT / 1000} s.`)
        await wakeups.wait('edge', { id: of.clusterId, ms: 500, signal })
      }
    },
  }
}

/** The whole configuration out of the database: routed instances that are ready, wherever they are in their lives. */
async function readEdge({ config, authority, db }: Pick<Wiring, 'config' | 'authority' | 'db'>, clusterId: string): Promise<EdgeInput> {
  const { version, routes } = await listRoutes(db, clusterId)
  const [observations, certificate] = await Promise.all([
    listObservations(
      db,
      routes.map((one) => one.applicationId),
    ),
    localCertificate(join(config.home, 'certificates'), config.domain, authority),
  ])
  const applications = routes.map((route) => ({
    applicationId: route.applicationId,
    label: route.addressLabel,
    ports: route.ports,
    addresses: addressesOf(route.targets, observations.get(route.applicationId)),
  }))
  return { version, domain: config.domain, httpsPort: config.edge.httpsPort, httpPort: config.edge.httpPort, certificate, applications }
}

function addressesOf(targets: Target[], observation: Observation | undefined): string[] {
  const routed = (observation?.instances ?? []).filter(
    (one) =>
      one.state === 'ready' &&
      targets.some((target) => target.index === one.index && target.generation === one.generation && target.revision === one.revision),
  )
  return routed.flatMap((one) => one.address ?? [])
}
