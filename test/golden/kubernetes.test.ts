import { describe, expect, test } from 'vitest'
import { renderEnvironment } from '../../src/engine/kubernetes/render/environment.ts'
import { renderBuildPod } from '../../src/engine/kubernetes/render/build-pod.ts'
import { renderGateway } from '../../src/engine/kubernetes/render/gateway.ts'
import { renderRegistry } from '../../src/engine/kubernetes/render/registry.ts'
import type { RenderContext } from '../../src/engine/kubernetes/render/pod.ts'
import { renderRelease } from '../../src/engine/kubernetes/render/release.ts'
import { renderRoutes } from '../../src/engine/kubernetes/render/route.ts'
import { defaultSettings } from '../../src/model/settings.ts'
import { options } from '../harness/kubernetes-engine.ts'
import { place, port, workload } from '../harness/workload.ts'

const context: RenderContext = {
  clusterId: '00000000-0000-4000-8000-000000000000',
  options: {
    ...options,
    domain: 'apps.example.com',
    registry: 'registry.example.com',
    ownRegistry: null,
    insecureRegistry: false,
    builderImage: 'moby/buildkit',
  },
}
const probe = {
  check: { kind: 'http' as const, path: '/ready', scheme: 'http' as const, port: 8080 },
  initialDelay: 30,
  period: 10,
  timeout: 5,
  successThreshold: 1,
  failureThreshold: 9,
}
const golden = (name: string, value: unknown) =>
  expect(`${JSON.stringify(value, null, 2)}\n`).toMatchFileSnapshot(`kubernetes-${name}.json`)

describe('a release on Kubernetes', () => {
  test('without volumes is a Deployment', () =>
    golden('deployment', renderRelease(workload({ readiness: probe, liveness: probe }), context)))

  test('with volumes is a StatefulSet', () =>
    golden('stateful-set', renderRelease(workload({ volumes: [{ id: '11111111-2222', sizeGib: 4, mountPath: '/data' }] }), context)))

  test('with every setting has its field, at the restricted level too', () =>
    golden(
      'settings',
      renderRelease(
        workload({
          entrypoint: '/bin/server',
          arguments: ['--name', '$(HOME)'],
          gpu: 1,
          ephemeralGib: 2,
          architecture: 'arm64',
          scaling: { kind: 'resource', min: 2, max: 5 },
          settings: {
            ...defaultSettings,
            updateStrategy: 'recreate',
            postStart: ['warm'],
            preStop: ['cool'],
            readOnlyRoot: true,
            nodeLabels: { disk: 'ssd,nvme' },
            apart: 'required',
            zoneSpread: 'required',
            limits: { cpuMilli: 2000, memoryMib: 1024 },
            scaleAt: { cpuPercent: 70, memoryPercent: 80 },
            serviceAccount: 'robot',
            mountToken: true,
            ndots: 2,
          },
        }),
        { ...context, options: { ...context.options, podSecurity: 'restricted' } },
      ),
    ))

  test('has its routes, and what a cluster and an environment have for themselves', async () => {
    const ports = [
      port({}),
      port({ name: 'rpc', internal: 9090, protocol: 'grpc', isDefault: false }),
      port({ name: 'raw', internal: 53, external: 5353, protocol: 'tcp', isDefault: false }),
      port({ name: 'dns', internal: 53, external: 5353, protocol: 'udp', isDefault: false }),
      port({ name: 'inside', internal: 1, public: false, isDefault: false }),
    ]
    await golden('routes', renderRoutes(place(), ports, { ...context, redirect: false }))
    await golden('environment', renderEnvironment(place(), context))
    const environmentQuota = { cpuMilli: 8000, memoryMib: null, instances: 20 }
    await golden('environment-quota', renderEnvironment(place(), { ...context, options: { ...context.options, environmentQuota } }))
    await golden('gateway', renderGateway(context, { gatewayClass: 'envoy', isEnvoy: true, certificate: { chain: 'chain', key: 'key' } }))
    const own = { sizeGib: 20, image: 'registry:3', proxyImage: 'envoy:1' }
    const withRegistry = { ...context, options: { ...context.options, registry: null, ownRegistry: own } }
    await golden('registry', renderRegistry(withRegistry, { own, password: 'password', hash: 'hash', storageClass: 'fast' }))
    await golden(
      'build-pod-own-registry',
      renderBuildPod({ id: 'build-2', application: 'a-1', cpuMilli: 4000, memoryGib: 8, ephemeralGib: null, seconds: 1800 }, withRegistry),
    )
    await golden(
      'build-pod',
      renderBuildPod({ id: 'build-1', application: 'a-1', cpuMilli: 4000, memoryGib: 8, ephemeralGib: 10, seconds: 1800 }, context),
    )
  })
})
