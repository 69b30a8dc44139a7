import fc from 'fast-check'
import { randomUUID } from 'node:crypto'
import type { Port } from '../../src/model/port.ts'
import type { Probe } from '../../src/model/probe.ts'
import { Secret } from '../../src/model/secret.ts'
import { defaultSettings } from '../../src/model/settings.ts'
import type { Place, Workload } from '../../src/model/workload.ts'

export const port = (more: Partial<Port>): Port => ({
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

export const place = (more: Partial<Place> = {}): Place => ({
  organizationId: '00000000-0000-4000-8000-000000000001',
  projectId: '00000000-0000-4000-8000-000000000002',
  environmentId: '00000000-0000-4000-8000-000000000003',
  environmentName: 'production',
  namespace: 'z00000000-production',
  applicationId: '00000000-0000-4000-8000-000000000004',
  name: 'app-z00000000-hello',
  addressLabel: 'hello-abc234',
  ...more,
})

export const workload = (more: Partial<Workload> = {}): Workload => ({
  place: place(),
  revision: 3,
  generation: 7,
  image: { kind: 'registry', repository: 'registry.example.com/team/hello', digest: `sha256:${'0'.repeat(64)}`, platform: 'linux/amd64' },
  access: null,
  environment: { PLAIN: 'value', TOKEN: new Secret('hidden') },
  entrypoint: null,
  arguments: [],
  cpuMilli: 500,
  memoryMib: 512,
  ephemeralGib: null,
  gpu: 0,
  architecture: null,
  scaling: { kind: 'fixed', instances: 2 },
  ports: [port({})],
  volumes: [],
  readiness: null,
  liveness: null,
  settings: defaultSettings,
  ...more,
})

const text = fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' }).filter((one) => !one.includes('\u0000'))
const command = fc.array(text, { minLength: 1, maxLength: 3 })
const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$/)
const probe: fc.Arbitrary<Probe> = fc.record({
  check: fc.oneof(
    fc.record({
      kind: fc.constant('http' as const),
      path: fc.constantFrom('/', '/a?b={{c}}'),
      scheme: fc.constantFrom('http' as const, 'https' as const),
      port: fc.constant(8080),
    }),
    fc.record({ kind: fc.constant('tcp' as const), port: fc.constant(8080) }),
    fc.record({ kind: fc.constant('grpc' as const), service: fc.constantFrom('', 'a.B'), port: fc.constant(8080) }),
    fc.record({ kind: fc.constant('exec' as const), command }),
  ),
  initialDelay: fc.integer({ min: 0, max: 1000 }),
  period: fc.integer({ min: 1, max: 100 }),
  timeout: fc.integer({ min: 1, max: 100 }),
  successThreshold: fc.constant(1),
  failureThreshold: fc.integer({ min: 1, max: 100 }),
})
const ports = fc
  .uniqueArray(
    fc.record({
      internal: fc.integer({ min: 1, max: 65_535 }),
      protocol: fc.constantFrom('http', 'grpc', 'tcp', 'udp'),
      public: fc.boolean(),
    }),
    { maxLength: 5, selector: (one) => `${one.protocol === 'udp'}/${one.internal}` },
  )
  .map((all) =>
    all.map((one, index): Port =>
      port({
        ...one,
        id: String(index),
        name: `n${index}`,
        isDefault: index === 0,
        external: one.protocol === 'tcp' || one.protocol === 'udp' ? one.internal : 443,
        protocol: one.protocol as Port['protocol'],
      }),
    ),
  )

/** Releases as users can make them, odd characters and all; `namespace`: where the cluster is asked. */
export const anyWorkload = (namespace: string): fc.Arbitrary<Workload> =>
  fc
    .record({
      name,
      variables: fc.dictionary(fc.stringMatching(/^[A-Z][A-Z0-9_]{0,20}$/), fc.string({ maxLength: 100, unit: 'grapheme' }), {
        maxKeys: 5,
      }),
      entrypoint: fc.option(text, { nil: null }),
      arguments: fc.array(fc.oneof(text, fc.constantFrom('{{ .Values }}', '$(HOME)', 'a\nb: c', '"', "'")), { maxLength: 4 }),
      cpuMilli: fc.integer({ min: 10, max: 4000 }),
      memoryMib: fc.integer({ min: 1, max: 4096 }),
      ephemeralGib: fc.option(fc.integer({ min: 1, max: 10 }), { nil: null }),
      gpu: fc.constantFrom(0, 0, 1),
      architecture: fc.constantFrom(null, 'amd64' as const),
      instances: fc.integer({ min: 1, max: 5 }),
      scaled: fc.boolean(),
      ports,
      volumes: fc.array(fc.integer({ min: 1, max: 10 }), { maxLength: 2 }),
      readiness: fc.option(probe, { nil: null }),
      liveness: fc.option(probe, { nil: null }),
      settings: fc.record({
        gracePeriod: fc.integer({ min: 0, max: 100 }),
        updateStrategy: fc.constantFrom('rolling' as const, 'recreate' as const),
        maxSurgePercent: fc.integer({ min: 0, max: 100 }),
        maxUnavailablePercent: fc.integer({ min: 0, max: 100 }),
        postStart: fc.oneof(fc.constant<string[]>([]), command),
        preStop: fc.oneof(fc.constant<string[]>([]), command),
        readOnlyRoot: fc.boolean(),
        nodeLabels: fc.constantFrom<Record<string, string>>({}, { 'example.com/disk': 'ssd, nvme' }),
        apart: fc.constantFrom('preferred' as const, 'required' as const),
        zoneSpread: fc.constantFrom('disabled' as const, 'preferred' as const, 'required' as const),
        ndots: fc.constantFrom(null, 2),
        mountToken: fc.boolean(),
      }),
    })
    .map(({ name: slug, variables, instances, scaled, settings, volumes, ...rest }) => {
      const id = randomUUID()
      return workload({
        ...rest,
        place: place({ namespace, applicationId: id, name: `app-z${id.slice(0, 8)}-${slug}`.slice(0, 48).replace(/-+$/, '') }),
        environment: variables,
        scaling: scaled ? { kind: 'resource', min: instances, max: instances + 3 } : { kind: 'fixed', instances },
        volumes: volumes.map((sizeGib, index) => ({ id: randomUUID(), sizeGib, mountPath: `/data/${index}` })),
        settings: { ...defaultSettings, ...settings },
      })
    })
