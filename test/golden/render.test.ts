import { describe, expect, test } from 'vitest'
import { renderContainer } from '../../src/engine/docker/render/container.ts'
import { renderBootstrap, renderEdge } from '../../src/engine/docker/render/edge.ts'
import type { Port } from '../../src/model/port.ts'
import { Secret } from '../../src/model/secret.ts'
import { defaultSettings } from '../../src/model/settings.ts'
import type { Workload } from '../../src/model/workload.ts'

const port = (more: Partial<Port>): Port => ({
  id: 'p',
  name: 'p8080',
  internal: 8080,
  external: 443,
  public: true,
  isDefault: true,
  protocol: 'http',
  publicPath: null,
  publicPathRewrite: null,
  ...more,
})

const workload: Workload = {
  place: {
    organizationId: 'organization',
    projectId: 'project',
    environmentId: 'environment',
    environmentName: 'production',
    namespace: 'z1234-production',
    applicationId: 'application',
    name: 'app-z1234abcd-hello',
    addressLabel: 'hello-abc123',
  },
  revision: 3,
  generation: 7,
  image: { kind: 'registry', repository: 'docker.io/library/nginx', digest: `sha256:${'0'.repeat(64)}`, platform: 'linux/amd64' },
  access: null,
  environment: { PLAIN: 'value', TOKEN: new Secret('hidden') },
  entrypoint: '/bin/server',
  arguments: ['--port', '8080'],
  cpuMilli: 500,
  memoryMib: 512,
  ephemeralGib: null,
  gpu: 1,
  architecture: null,
  scaling: { kind: 'fixed', instances: 2 },
  ports: [port({})],
  volumes: [{ id: '11111111-2222', sizeGib: 4, mountPath: '/data' }],
  readiness: {
    check: { kind: 'http', path: '/ready', scheme: 'http', port: 8080 },
    initialDelay: 1,
    period: 2,
    timeout: 3,
    successThreshold: 1,
    failureThreshold: 5,
  },
  liveness: null,
  settings: { ...defaultSettings, preStop: ['sleep', '5'], readOnlyRoot: true },
}

const ports = [
  port({}),
  port({ name: 'rpc', internal: 9090, protocol: 'grpc', isDefault: false }),
  port({ name: 'raw', internal: 5000, external: 15_000, protocol: 'tcp', isDefault: false }),
  port({ name: 'dns', internal: 53, external: 1053, protocol: 'udp', isDefault: false }),
  port({ name: 'inside', internal: 1, public: false, isDefault: false }),
]

/** Rendered objects as files that one can read: `vitest -u` writes them anew, and the diff is the review. */
describe('rendered for Docker', () => {
  test('an instance', async () => {
    await expect(
      JSON.stringify(
        renderContainer({
          clusterId: 'cluster',
          network: 'berth-environment',
          address: '10.210.0.4',
          workload,
          target: { revision: 3, generation: 7, index: 1 },
        }),
        null,
        2,
      ),
    ).toMatchFileSnapshot('container.json')
  })

  test("the edge's configuration", async () => {
    const files = renderEdge({
      version: 12,
      domain: 'berth.localhost',
      httpsPort: 8443,
      httpPort: 8080,
      certificate: { chain: 'CHAIN', key: 'KEY' },
      applications: [{ applicationId: 'application', label: 'hello-abc234', ports, addresses: ['10.210.0.4', '10.210.0.5'] }],
    })
    for (const [name, file] of Object.entries(files)) await expect(JSON.stringify(file, null, 2)).toMatchFileSnapshot(`edge-${name}`)
    await expect(JSON.stringify(renderBootstrap(), null, 2)).toMatchFileSnapshot('edge-bootstrap.json')
  })
})
