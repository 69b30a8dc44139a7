import { execFileSync } from 'node:child_process'
import { answersAt } from './load.ts'
import { builderImage, ctr, kubeconfig, kubectl, kubectlJson, registryName, removeNamespaces } from './cluster.ts'
import { deployCluster, type Service } from './deploy.ts'
import { startRegistry } from './registry.ts'
import { TestServer, type Place } from './server.ts'

/** What a journey sees of the engine below: the same sentences, whichever runs. */
export type Ground = {
  engine: 'docker' | 'kubernetes'
  place(server: TestServer): Promise<Place>
  /** Names of the instances that are not going, sorted. */
  instances(app: Service): string[]
  /** Ids that change when an instance is started anew, sorted. */
  lives(app: Service): string[]
  exec(instance: string, app: Service, ...argv: string[]): string
  /** SIGKILL from outside. */
  kill(instance: string, app: Service): void
  /** Removed from outside. */
  remove(instance: string, app: Service): void
  volumes(app: Service): string[]
  limits(instance: string, app: Service): { cpuMilli: number; memoryMib: number; command: string[]; arguments: string[] }
  imageOf(instance: string, app: Service): string
  /** All that says something about an instance to whoever may look at the engine, without the values of variables. */
  facts(app: Service): string
  /** Whether anything of an environment is left. */
  isEmpty(environmentId: string): boolean
  /** Where a public TCP or UDP port answers. */
  streamAddress(app: Service, protocol: 'tcp' | 'udp'): string
  /** Port of HTTPS and of HTTP, and where the edge answers. */
  edge(server: TestServer): { https: number; http: number; address: string }
  /** A registry that the engine reaches, over HTTP. */
  registry(): Promise<{ name: string; stop: () => void }>
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '')
const docker = (...argv: string[]): string =>
  execFileSync('/usr/bin/docker', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 28 }).trim()

const onDocker: Ground = {
  engine: 'docker',
  place: (server) => server.place('docker'),
  instances: (app) => lines(docker('ps', '--all', '--format', '{{.Names}}', '--filter', `label=berth.application=${app.id}`)).sort(),
  lives: (app) => lines(docker('ps', '--all', '--quiet', '--no-trunc', '--filter', `label=berth.application=${app.id}`)).sort(),
  exec: (instance, _app, ...argv) => docker('exec', instance, ...argv),
  kill: (instance) => void docker('kill', instance),
  remove: (instance) => void docker('rm', '--force', instance),
  volumes: (app) => lines(docker('volume', 'ls', '--quiet', '--filter', `label=berth.application=${app.id}`)),
  limits: (instance) => {
    const [found] = JSON.parse(docker('inspect', instance)) as {
      HostConfig: { NanoCpus: number; Memory: number }
      Config: { Entrypoint: string[]; Cmd: string[] }
    }[]
    return {
      cpuMilli: (found?.HostConfig.NanoCpus ?? 0) / 1e6,
      memoryMib: (found?.HostConfig.Memory ?? 0) / 2 ** 20,
      command: found?.Config.Entrypoint ?? [],
      arguments: found?.Config.Cmd ?? [],
    }
  },
  imageOf: (instance) => docker('inspect', '--format', '{{.Config.Image}}', instance),
  facts: (app) => {
    const ids = onDocker.lives(app)
    const inspected = JSON.parse(docker('inspect', ...ids)) as { Config: { Labels: unknown; Cmd: unknown }; Image: string }[]
    return inspected
      .map(({ Config, Image }) =>
        [
          JSON.stringify([Config.Labels, Config.Cmd]),
          docker('history', '--no-trunc', Image),
          docker('inspect', '--format', '{{json .Config}}', Image),
        ].join('\n'),
      )
      .join('\n')
  },
  isEmpty: (environmentId) => docker('network', 'ls', '--quiet', '--filter', `label=berth.environment=${environmentId}`) === '',
  streamAddress: () => '127.0.0.1',
  edge: (server) => ({ https: server.httpsPort, http: Number(server.environment['BERTH_HTTP_PORT']), address: '127.0.0.1' }),
  registry: async () => {
    const { port, stop } = await startRegistry()
    return { name: `127.0.0.1:${port}`, stop }
  },
}

type Pod = {
  metadata: { name: string; namespace: string; uid: string; deletionTimestamp?: string }
  spec: { containers: { image: string; command?: string[]; args?: string[]; resources: { limits: { cpu: string; memory: string } } }[] }
  status: { phase: string; containerStatuses?: { containerID?: string }[] }
}
const podsOf = (app: Service): Pod[] =>
  kubectlJson<{ items: Pod[] }>('get', 'pods', '--all-namespaces', '--selector', `berth/application=${app.id}`)
    .items.filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
const podOf = (instance: string, app: Service): Pod => {
  const found = podsOf(app).find((pod) => pod.metadata.name === instance)
  if (!found) throw new Error(`there is no pod ${instance}`)
  return found
}

let domains = 0
let gateway = ''

const onKubernetes: Ground = {
  engine: 'kubernetes',
  place: async (server) => {
    const domain = `k${process.pid}-${domains++}.test`
    const place = await server.place('kubernetes', {
      kubeconfig: kubeconfig(),
      domain,
      registry: registryName,
      registry_insecure: true,
      builder_image: builderImage,
    })
    server.leftovers.push(() => removeNamespaces(place.clusterId))
    await deployCluster(server.client, place)
    gateway = kubectl(
      'get',
      'gateway',
      'berth',
      '--namespace',
      `berth-z${place.clusterId.slice(0, 8)}`,
      '--output',
      'jsonpath={.status.addresses[0].value}',
    )
    answersAt(domain, gateway)
    return place
  },
  instances: (app) => podsOf(app).map((pod) => pod.metadata.name),
  lives: (app) =>
    podsOf(app)
      .map((pod) => pod.metadata.uid)
      .sort(),
  exec: (instance, app, ...argv) => kubectl('exec', '--namespace', podOf(instance, app).metadata.namespace, instance, '--', ...argv),
  kill: (instance, app) =>
    void ctr(
      'tasks',
      'kill',
      '--signal',
      'SIGKILL',
      podOf(instance, app).status.containerStatuses?.[0]?.containerID?.replace('containerd://', '') ?? '',
    ),
  remove: (instance, app) =>
    void kubectl('delete', 'pod', instance, '--namespace', podOf(instance, app).metadata.namespace, '--grace-period=0', '--force'),
  volumes: (app) =>
    lines(kubectl('get', 'persistentvolumeclaims', '--all-namespaces', '--selector', `berth/application=${app.id}`, '--output', 'name')),
  limits: (instance, app) => {
    const container = podOf(instance, app).spec.containers[0]
    return {
      cpuMilli: Number(container?.resources.limits.cpu.replace('m', '')),
      memoryMib: Number(container?.resources.limits.memory.replace('Mi', '')),
      command: container?.command ?? [],
      arguments: container?.args ?? [],
    }
  },
  imageOf: (instance, app) => podOf(instance, app).spec.containers[0]?.image ?? '',
  facts: (app) =>
    ['pods', 'deployments', 'statefulsets', 'replicasets', 'services', 'httproutes', 'events', 'configmaps']
      .map((kind) => kubectl('get', kind, '--namespace', podsOf(app)[0]?.metadata.namespace ?? '', '--output', 'json'))
      .join('\n'),
  isEmpty: (environmentId) => kubectl('get', 'namespaces', '--selector', `berth/environment=${environmentId}`, '--output', 'name') === '',
  streamAddress: (app, protocol) =>
    kubectlJson<{ items: { metadata: { name: string }; status: { loadBalancer: { ingress?: { ip: string }[] } } }[] }>(
      'get',
      'services',
      '--all-namespaces',
      '--selector',
      `berth/application=${app.id}`,
    ).items.find((one) => one.metadata.name.endsWith(`public-${protocol}`))?.status.loadBalancer.ingress?.[0]?.ip ?? '',
  edge: () => ({ https: 443, http: 80, address: gateway }),
  registry: () => Promise.resolve({ name: registryName, stop: () => undefined }),
}

/** The ground that this run's journeys stand on. */
export const ground: Ground = process.env['ENGINE'] === 'kubernetes' ? onKubernetes : onDocker
