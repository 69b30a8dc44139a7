import { execFileSync, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ApplyContext } from '../src/engine/port.ts'
import type { KubeObject } from '../src/engine/kubernetes/object.ts'
import { renderRelease } from '../src/engine/kubernetes/render/release.ts'
import { renderCount } from '../src/engine/kubernetes/render/workload.ts'
import type { Image } from '../src/model/image.ts'
import { readinessOf } from '../src/model/probe.ts'
import { defaultSettings } from '../src/model/settings.ts'
import type { Workload } from '../src/model/workload.ts'
import { digestOf, kubeconfigFile, kubectl, registryName, removeNamespaces } from '../test/harness/cluster.ts'
import { createWeb } from '../test/harness/deploy.ts'
import { ground } from '../test/harness/ground.ts'
import { pushImage } from '../test/harness/image.ts'
import { kubernetesEngine } from '../test/harness/kubernetes-engine.ts'
import { TestServer, until, workFolder } from '../test/harness/server.ts'
import { place, port, workload } from '../test/harness/workload.ts'

/** How long a changed image takes to be deployed, beside the bare tool on the same objects in the same run; and what it costs the API server. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 7)
const INSTANCES = 2
const HELM = process.env['HELM'] ?? 'helm'
const hasHelm = (): boolean => spawnSync(HELM, ['version']).status === 0
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const median = (all: number[]): number => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0
const ports = [port({ name: 'p8080' })]

/** Two images that differ, so that every round is a rollout. */
async function images(): Promise<Image[]> {
  return Promise.all(
    ['1', '2'].map(async (tag) => {
      const folder = workFolder(`bench-${tag}`)
      const program = `use IO::Socket::INET; $SIG{TERM} = sub { exit 0 }; my $l = IO::Socket::INET->new(LocalPort => 8080, Listen => 9, ReuseAddr => 1) or die; while (1) { my $c = $l->accept or next; <$c>; print $c "HTTP/1.0 200 OK\\r\\n\\r\\n${tag}"; close $c }`
      writeFileSync(join(folder, 'server.pl'), program)
      writeFileSync(join(folder, 'Dockerfile'), 'FROM debian:bookworm-slim\nCOPY server.pl /\nCMD ["perl", "/server.pl"]\n')
      pushImage(folder, { registry: registryName, name: 'bench/web', tag })
      const repository = `${registryName}/bench/web`
      return { kind: 'registry' as const, repository, digest: await digestOf({ repository, tag }), platform: 'linux/amd64' }
    }),
  )
}

const release = (of: { namespace: string; id: string; revision: number; image: Image }): Workload =>
  workload({
    place: place({ namespace: of.namespace, applicationId: of.id, name: `app-z${of.id.slice(0, 8)}-bench` }),
    revision: of.revision,
    generation: of.revision,
    image: of.image,
    environment: { PLAIN: 'value' },
    cpuMilli: 20,
    memoryMib: 64,
    scaling: { kind: 'fixed', instances: INSTANCES },
    ports,
    readiness: readinessOf(null, ports).probe,
    settings: { ...defaultSettings, gracePeriod: 3 },
  })

type Tool = (objects: KubeObject[], namespace: string, name: string) => void

/** `kubectl apply --server-side` and `kubectl rollout status`, as somebody without Berth would. */
const withKubectl: Tool = (objects, namespace, name) => {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  execFileSync('kubectl', ['--kubeconfig', kubeconfigFile, 'apply', '--server-side', '--filename=-'], {
    input,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  kubectl('rollout', 'status', `deployment/${name}`, '--namespace', namespace, '--timeout=60s')
}

/** `helm upgrade --wait` with a chart of the same objects. */
const withHelm: Tool = (objects, namespace) => {
  const chart = workFolder('bench-chart')
  mkdirSync(join(chart, 'templates'))
  writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: bench\nversion: 1.0.0\n')
  for (const [index, object] of objects.entries()) writeFileSync(join(chart, 'templates', `${index}.yaml`), JSON.stringify(object))
  const args = ['upgrade', '--install', 'bench', chart, '--namespace', namespace, '--wait', '--timeout', '90s']
  execFileSync(HELM, ['--kubeconfig', kubeconfigFile, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
}

/** Milliseconds of each rollout by a tool, on the objects that Berth renders. */
function bare(tool: Tool, pair: Image[]): number[] {
  const namespace = `bench-bare-${randomUUID().slice(0, 8)}`
  const id = randomUUID()
  const { render } = kubernetesEngine(randomUUID())
  kubectl('create', 'namespace', namespace)
  try {
    const times: number[] = []
    for (let round = 0; round <= ROUNDS; round++) {
      const one = release({ namespace, id, revision: round + 1, image: pair[round % 2] as Image })
      const count = renderCount(one, INSTANCES)
      const objects = renderRelease(one, render).map((object) =>
        object.kind === count.kind ? { ...object, spec: { ...(object['spec'] as object), ...(count['spec'] as object) } } : object,
      )
      const begun = performance.now()
      tool(objects, namespace, one.place.name)
      if (round > 0) times.push(performance.now() - begun)
    }
    return times
  } finally {
    kubectl('delete', 'namespace', namespace, '--wait=false')
  }
}

/** `POST …/deploy` until the status says DEPLOYED: the queue, the database, the gateway and the check of its proxies are in it. */
async function throughBerth(server: TestServer): Promise<number[]> {
  const where = await ground.place(server)
  const { client } = server
  const app = await createWeb(
    client,
    { ...where, image: `${registryName}/bench/web:1` },
    { min_running_instances: INSTANCES, max_running_instances: INSTANCES },
  )
  const times: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const begun = performance.now()
    await client.post(`/container/${app.id}/deploy`, { image_tag: String((round % 2) + 1) })
    await until('it to be deployed', 90, async () => {
      const { state } = await client.get<{ state: string }>(`/container/${app.id}/status`)
      if (state.endsWith('_ERROR')) throw new Error(state)
      return state === 'DEPLOYED'
    })
    if (round > 0) times.push(performance.now() - begun)
  }
  return times
}

/** Calls of the Kubernetes API for one deployment of a changed image, apart from the watches, which are there anyway. */
async function calls(pair: Image[]): Promise<number> {
  const clusterId = randomUUID()
  const { engine, client } = kubernetesEngine(clusterId)
  const stop = new AbortController()
  void (async () => {
    for await (const _ of engine.watch(stop.signal)) continue
  })()
  const context: ApplyContext = { signal: stop.signal, note: () => undefined, keep: () => Promise.resolve() }
  const [namespace, id] = [`bench-calls-${process.pid}`, randomUUID()]
  let used = 0
  try {
    for (const [round, image] of pair.entries()) {
      const one = release({ namespace, id, revision: round + 1, image })
      const targets = Array.from({ length: INSTANCES }, (_, index) => ({ revision: one.revision, generation: one.generation, index }))
      const before = client.calls
      await engine.apply({ kind: 'prepare', workload: one }, context)
      await engine.apply({ kind: 'apply', workload: one, targets }, context)
      await until('the instances to be ready', 60, async () => {
        const { instances } = await engine.observe(one.place, undefined)
        return instances.filter((instance) => instance.revision === one.revision && instance.state === 'ready').length === INSTANCES
      })
      await engine.apply({ kind: 'retire', place: one.place, keep: targets }, context)
      used = client.calls - before
    }
    return used
  } finally {
    stop.abort()
    removeNamespaces(clusterId)
  }
}

const server = await TestServer.start()
try {
  const pair = await images()
  const [berth, tool] = [await throughBerth(server), bare(withKubectl, pair)]
  const seconds = (all: number[]): string => `${(median(all) / 1000).toFixed(2)} s (${all.map((one) => (one / 1000).toFixed(1)).join(' ')})`
  say(`kubectl apply --server-side and rollout status: ${seconds(tool)}`)
  say(`berth, from the request to DEPLOYED:            ${seconds(berth)}`)
  say(`ratio of the medians, berth / kubectl: ${(median(berth) / median(tool)).toFixed(2)}`)
  if (hasHelm()) {
    const helm = bare(withHelm, pair)
    say(`helm upgrade --wait: ${seconds(helm)}`)
    say(`ratio of the medians, berth / helm: ${(median(berth) / median(helm)).toFixed(2)}`)
  } else say(`helm upgrade --wait: not measured, there is no ${HELM} (HELM=path)`)
  say(`API calls per deployment: ${await calls(pair)}`)
} finally {
  await server.remove()
}
