import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

/** Where `test/cluster/up` keeps what a running cluster writes. */
const STATE = process.env['BERTH_CLUSTER_STATE'] ?? '/var/lib/berth-cluster'

/** The cluster that the suites use: the given one, or the one that `test/cluster/up` started. */
export const kubeconfigFile = process.env['KUBECONFIG_FOR_TESTS'] ?? join(STATE, 'kubeconfig')
/** A registry that builds, nodes and this machine reach under one name, over HTTP. */
export const registryName = process.env['REGISTRY_FOR_TESTS'] ?? '10.88.0.1:5055'
/** A builder whose configuration knows that registry, also as Docker Hub's mirror. */
export const builderImage = process.env['BUILDER_FOR_TESTS'] ?? 'localhost/buildkit:1'
/** An image with perl on the nodes or in that registry. */
export const debianImage = { repository: `${registryName}/library/debian`, tag: 'bookworm-slim' }

export const hasCluster = (): boolean => process.env['CLUSTER'] !== 'none' && existsSync(kubeconfigFile)
export const kubeconfig = (): string => readFileSync(kubeconfigFile, 'utf8')

export const kubectl = (...argv: string[]): string =>
  execFileSync('kubectl', ['--kubeconfig', kubeconfigFile, ...argv], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
  }).trim()

export const kubectlJson = <T>(...argv: string[]): T => JSON.parse(kubectl(...argv, '--output=json')) as T

/** Applies objects as somebody else than Berth would. */
export function kubectlApply(...objects: unknown[]): void {
  execFileSync('kubectl', ['--kubeconfig', kubeconfigFile, 'apply', '--filename=-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    stdio: ['pipe', 'ignore', 'pipe'],
  })
}

/** Containerd of the test cluster's node: what kills a container from outside. */
export const ctr = (...argv: string[]): string =>
  execFileSync('ctr', ['--address', join(STATE, 'run/containerd.sock'), '--namespace', 'k8s.io', ...argv], { encoding: 'utf8' }).trim()

/** Tells the node of the test cluster that a registry speaks HTTP, as whoever runs nodes does; returns how to forget it. */
export function trustRegistry(name: string): () => void {
  const folder = join(STATE, 'registries', name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'hosts.toml'), `server = "http://${name}"\n[host."http://${name}"]\n  capabilities = ["pull", "resolve"]\n`)
  return () => rmSync(folder, { recursive: true })
}

/** The folder of what a component of the test cluster is compiled to. */
export const compiled = (component: string): string =>
  execFileSync('bash', ['-c', '. "$0"; bin_of "$1"', resolve(import.meta.dirname, '../cluster/lib.sh'), component], {
    encoding: 'utf8',
  }).trim()

/** A process of the test cluster by its name. */
export const processOf = (name: string): number => Number(readFileSync(join(STATE, 'run', `${name}.pid`), 'utf8'))

/** Everything of one of Berth's clusters on the test cluster: namespaces, with all that is in them. */
export const removeNamespaces = (clusterId: string): void =>
  void kubectl('delete', 'namespaces', '--selector', `berth/cluster=${clusterId}`, '--wait=false')

/** Names of the namespaces of one of Berth's clusters that are still there; empty where there are none. */
export const namespacesOf = (clusterId: string): string =>
  kubectl('get', 'namespaces', '--selector', `berth/cluster=${clusterId}`, '--output=name')

/** The digest that a tag of the registry has. */
export async function digestOf(image: { repository: string; tag: string }): Promise<string> {
  const [host = '', ...path] = image.repository.split('/')
  const answer = await fetch(`http://${host}/v2/${path.join('/')}/manifests/${image.tag}`, {
    method: 'HEAD',
    headers: { accept: 'application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json' },
  })
  return answer.headers.get('docker-content-digest') ?? ''
}
