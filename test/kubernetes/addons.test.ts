import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { narrowAccount } from '../harness/account.ts'
import { manifestsOf, publish as publishTo } from '../harness/catalog.ts'
import { debianImage, kubeconfig, kubectl, kubectlApply, removeNamespaces } from '../harness/cluster.ts'
import { act, createWeb } from '../harness/deploy.ts'
import { answersAt, ask } from '../harness/load.ts'
import { TestServer, until, workFolder } from '../harness/server.ts'

type Finding = { what: string; found: string; ok: boolean; remedy: string }
type Cluster = { id: string; keda: { enabled: boolean }; addons: string[] }

const domain = 'addons.test'
const folder = workFolder('addons')
let server: TestServer
let place: { organizationId: string; clusterId: string; environmentId: string }
const base = (clusterId = place.clusterId): string => `/organization/${place.organizationId}/cluster/${clusterId}`

/** cert-manager's controllers as the test cluster runs them, with an authority of the cluster's own. */
function certManager(): { definitions: string; parts: string } {
  const { definitions, parts } = manifestsOf('certs')
  const wanted = parts.split(/^---$/m).filter((document) => !/pebble|acme:/.test(document))
  return { definitions, parts: wanted.join('\n---\n') }
}

const publish = (version: string, files: Record<string, string>, sums: Record<string, string> = {}): void =>
  publishTo(folder, { name: 'cert-manager', version, files, sums })

const edit = (more: Record<string, unknown>): Promise<Cluster> =>
  server.client.put<Cluster>(base(), { name: 'local', region: 'on-premise', cloud_provider: 'ON_PREMISE', ...more })

async function deploy(clusterId = place.clusterId): Promise<{ lines: string; error: string | null }> {
  await server.client.post(`${base(clusterId)}/deploy`)
  await until(
    'the cluster to be deployed',
    240,
    async () => (await server.client.get<{ status: string }>(`${base(clusterId)}/status`)).status !== 'DEPLOYING',
  )
  const { lines, error } = await server.client.get<{ lines: string[]; error: string | null }>(`${base(clusterId)}/deployLog`)
  return { lines: lines.join('\n'), error }
}

const row = async (what: string): Promise<Finding | undefined> =>
  (await server.client.list<Finding>(`${base()}/check`)).find((one) => one.what === what)

const note = (text: string): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'note', namespace: 'cert-manager' }, data: { text } })

beforeAll(async () => {
  expect(kubectl('api-versions')).not.toContain('cert-manager.io')
  const { definitions, parts } = certManager()
  publish('1.0.0', { 'definitions.yaml': definitions, 'cert-manager.yaml': parts, 'note.yaml': note('first') })
  server = await TestServer.start({ BERTH_ADDONS: folder })
  place = await server.place('kubernetes', { kubeconfig: kubeconfig(), domain })
  server.leftovers.push(() => removeNamespaces(place.clusterId))
})
afterAll(async () => {
  await server.remove()
  kubectl('delete', 'namespace', 'cert-manager', '--ignore-not-found', '--wait=false')
  // After a failure, so that a second try begins as the first one did.
  const left = kubectl('get', 'crds', '--output=name').match(/\S+cert-manager\.io/g)
  if (left) kubectl('delete', ...left, '--timeout=60s')
})

describe('deploying a cluster brings what is asked and missing', () => {
  test('and nothing that is not in the catalogue: the error says what is', async () => {
    expect((await edit({ keda: { enabled: true } })).keda).toEqual({ enabled: true })
    const { error } = await deploy()
    expect(error).toBe(`The catalogue ${folder} has no keda; it has cert-manager. Add it there, or install it on the cluster yourself.`)
    expect((await edit({ keda: { enabled: false } })).addons).toEqual([])
  })

  test('and nothing of a file that is not what the catalogue says', async () => {
    const { definitions, parts } = certManager()
    publish(
      '1.0.0',
      { 'definitions.yaml': definitions, 'cert-manager.yaml': parts, 'note.yaml': note('first') },
      { 'note.yaml': '0'.repeat(64) },
    )
    await edit({ addons: ['cert-manager', 'envoy-gateway', 'metrics-server'], certificate_issuer: 'berth-ca' })
    expect((await deploy()).error).toMatch(
      /^1\.0\.0\/note\.yaml of the catalogue has the checksum [0-9a-f]{64}, expected 0{64}: nothing was installed/,
    )
    expect(kubectl('api-versions')).not.toContain('cert-manager.io')
    expect(await row('add-on cert-manager')).toMatchObject({ found: 'missing', ok: false })
    publish('1.0.0', { 'definitions.yaml': definitions, 'cert-manager.yaml': parts, 'note.yaml': note('first') })
  })

  test('and nothing for an account that may not: the error says whose kubeconfig it takes', async () => {
    const account = await server.client.post<{ id: string }>(`/organization/${place.organizationId}/cluster`, {
      name: 'narrow',
      region: 'on-premise',
      cloud_provider: 'ON_PREMISE',
      engine: 'kubernetes',
      kubeconfig: await narrowAccount(server),
      domain: 'narrow.test',
      addons: ['cert-manager'],
    })
    server.leftovers.push(() => removeNamespaces(account.id))
    expect((await deploy(account.id)).error).toMatch(
      /^The account may not install cert-manager \(.+\)\. Give the cluster an administrator's kubeconfig/,
    )
    expect(kubectl('api-versions')).not.toContain('cert-manager.io')
  })

  test('it is installed, its definitions first, and waited for; what the cluster has already is used', async () => {
    const { lines, error } = await deploy()
    expect(error).toBeNull()
    expect(lines).toContain('envoy-gateway is on the cluster already: it is used as it is')
    expect(lines).toContain('metrics-server is on the cluster already: it is used as it is')
    expect(lines).toContain('cert-manager 1.0.0: installing')
    expect(lines).toContain('cert-manager 1.0.0 runs')
    expect(await row('add-on cert-manager')).toEqual({
      what: 'add-on cert-manager',
      found: '1.0.0, brought by Berth',
      ok: true,
      remedy: '',
    })
    expect(await row('certificates')).toMatchObject({ ok: true })
    expect((await deploy()).lines).toContain('cert-manager 1.0.0 is there')
  })

  test('and applications are answered for with a certificate of its issuer', async () => {
    const program =
      'use IO::Socket::INET; my $l = IO::Socket::INET->new(LocalPort => 8080, Listen => 9, ReuseAddr => 1); while (my $c = $l->accept) { <$c>; print $c "HTTP/1.0 200 OK\\r\\n\\r\\nhello"; close $c }'
    const image = `${debianImage.repository}:${debianImage.tag}`
    const app = await createWeb(server.client, { ...place, image }, { arguments: ['perl', '-e', program] })
    await act(server.client, { ...app, ...place }, { verb: 'deploy', expected: 'DEPLOYED' })
    const [link] = await server.client.list<{ url: string }>(`/container/${app.id}/link`)
    const namespace = `--namespace=berth-z${place.clusterId.slice(0, 8)}`
    answersAt(domain, kubectl('get', 'gateway', 'berth', namespace, '--output=jsonpath={.status.addresses[0].value}'))
    const authority = join(folder, 'authority.pem')
    const secret = kubectl('get', 'secret', 'berth-ca', '--namespace=cert-manager', '--output=jsonpath={.data.tls\\.crt}')
    writeFileSync(authority, Buffer.from(secret, 'base64'))
    expect(await ask(link?.url ?? '', authority)).toEqual({ status: 200, body: 'hello' })
  })

  test('another version in the catalogue is told, upgrades it, and takes away what it does not have any more', async () => {
    const { definitions, parts } = certManager()
    const changed = parts.replace('{app: cert-manager}}\n    spec', '{app: cert-manager, version: second}}\n    spec')
    expect(changed).not.toBe(parts)
    publish('1.1.0', { 'definitions.yaml': definitions, 'cert-manager.yaml': changed })
    expect(await row('add-on cert-manager')).toMatchObject({ found: '1.0.0, brought by Berth; the catalogue has 1.1.0', ok: true })
    const { lines, error } = await deploy()
    expect(error).toBeNull()
    expect(lines).toContain('cert-manager 1.1.0: upgrading from 1.0.0')
    expect(kubectl('get', 'pods', '--namespace=cert-manager', '--selector=version=second', '--output=name')).not.toBe('')
    expect(kubectl('get', 'configmaps', '--namespace=cert-manager', '--output=name')).not.toContain('note')
  })

  test('what is asked no more stays whole while somebody uses it, and is removed once nobody does', async () => {
    kubectl('create', 'namespace', 'somebody')
    server.leftovers.push(() => void kubectl('delete', 'namespace', 'somebody', '--ignore-not-found', '--wait=false'))
    kubectlApply({
      apiVersion: 'cert-manager.io/v1',
      kind: 'Issuer',
      metadata: { name: 'theirs', namespace: 'somebody' },
      spec: { selfSigned: {} },
    })
    await edit({ addons: [], certificate_issuer: '' })
    const { lines, error } = await deploy()
    expect(error).toBeNull()
    expect(lines).toContain('cert-manager 1.1.0 is not asked for any more, and stays: Issuer somebody/theirs needs it.')
    expect(await row('add-on cert-manager')).toMatchObject({ found: '1.1.0, brought by Berth', ok: true })
    kubectl('wait', '--for=condition=Ready', 'issuer/theirs', '--namespace=somebody', '--timeout=20s')
    kubectl('delete', 'namespace', 'somebody')
    expect((await deploy()).lines).toContain('cert-manager is removed')
    expect(kubectl('get', 'namespaces', '--output=name')).not.toContain('cert-manager')
    expect(kubectl('api-versions')).not.toContain('cert-manager.io')
  })
})
