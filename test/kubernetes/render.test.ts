import fc from 'fast-check'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Objects } from '../../src/engine/kubernetes/apply.ts'
import { KubernetesError } from '../../src/engine/kubernetes/error.ts'
import { Inventory } from '../../src/engine/kubernetes/inventory.ts'
import { pathOf, type KubeObject } from '../../src/engine/kubernetes/object.ts'
import { renderEnvironment } from '../../src/engine/kubernetes/render/environment.ts'
import { renderPod, type RenderContext } from '../../src/engine/kubernetes/render/pod.ts'
import { renderRelease } from '../../src/engine/kubernetes/render/release.ts'
import { renderRoutes } from '../../src/engine/kubernetes/render/route.ts'
import type { Workload } from '../../src/model/workload.ts'
import { removeNamespaces } from '../harness/cluster.ts'
import { kubeClient, memoryBook, options } from '../harness/kubernetes-engine.ts'
import { anyWorkload, place, workload } from '../harness/workload.ts'

/** Releases tried: few here, many with `bin/test --long`. */
const RUNS = process.env['LONG'] ? 200 : 40

const context: RenderContext = { clusterId: randomUUID(), options: { ...options, podSecurity: 'restricted' } }
const namespace = `render-${context.clusterId.slice(0, 8)}`
const client = kubeClient()
const objects = new Objects(client, new Inventory(memoryBook()))

beforeAll(async () => {
  for (const object of renderEnvironment(place({ namespace }), context)) await objects.apply(object)
})
afterAll(() => removeNamespaces(context.clusterId))

/** The pods of a release, asked for themselves: only they are held against the Pod Security level. */
function podOf(one: Workload): KubeObject {
  const { metadata, spec } = renderPod(one, context) as { metadata: object; spec: { containers: object[]; volumes?: { name: string }[] } }
  const mounted = one.volumes.map((volume) => ({ name: `v-${volume.id.slice(0, 8)}`, emptyDir: {} }))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name: one.place.name, namespace },
    spec: { ...spec, volumes: [...(spec.volumes ?? []), ...mounted] },
  }
}

describe('what is rendered', () => {
  test(`is accepted by the API server with strict field validation, at the restricted level, for ${RUNS} random releases`, async () => {
    await fc.assert(
      fc.asyncProperty(anyWorkload(namespace), async (one) => {
        const all = [...renderRelease(one, context), ...renderRoutes(one.place, one.ports, { ...context, redirect: true })]
        await Promise.all(all.map((object) => objects.apply(object, { dryRun: true })))
        // The default service account of a new namespace is made a moment later.
        await client.call('POST', `${pathOf('Pod', namespace)}?dryRun=All&fieldValidation=Strict`, { body: podOf(one) })
      }),
      { numRuns: RUNS },
    )
  }, 120_000)

  test('with a field that does not exist is refused at once, as a mistake and not as a passing failure', async () => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', namespace }, dta: {} } as KubeObject
    await expect(objects.apply(object)).rejects.toThrow(expect.objectContaining({ code: 'invalid' }))
    await expect(objects.apply(object)).rejects.toBeInstanceOf(KubernetesError)
  })

  test('gives a program the words that were given, where Kubernetes would replace them', () => {
    const [container] = (
      renderPod(workload({ arguments: ['$(HOME)', '{{ x }}'] }), context) as { spec: { containers: { args: string[] }[] } }
    ).spec.containers
    expect(container?.args).toEqual(['$$(HOME)', '{{ x }}'])
  })
})
