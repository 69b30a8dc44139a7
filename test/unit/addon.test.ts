import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { objectsIn, stagesOf } from '../../src/engine/kubernetes/addon/manifest.ts'
import { troubleOf, waitsFor } from '../../src/engine/kubernetes/addon/ready.ts'
import type { KubeObject } from '../../src/engine/kubernetes/object.ts'
import { Catalog } from '../../src/source/catalog.ts'
import { Egress } from '../../src/source/egress.ts'

const folder = (): string => mkdtempSync(join(tmpdir(), 'berth-catalog-'))
const sum = (text: string): string => createHash('sha256').update(text).digest('hex')
const catalog = (place: string | undefined): Catalog => new Catalog(place, new Egress([]))
const object = (kind: string, more: Record<string, unknown> = {}): KubeObject => ({
  apiVersion: 'apps/v1',
  kind,
  ...more,
  metadata: { name: 'x', generation: 2, ...(more['metadata'] as object) },
})

describe('a catalogue of add-ons', () => {
  test('gives the pinned files of an add-on in their order', async () => {
    const place = folder()
    for (const text of ['one', 'two']) writeFileSync(join(place, text), text)
    const files = ['two', 'one'].map((path) => ({ path, sha256: sum(path) }))
    writeFileSync(join(place, 'catalog.json'), JSON.stringify({ keda: { version: '2', files } }))
    expect(await catalog(place).versions()).toEqual(new Map([['keda', '2']]))
    expect(await catalog(place).manifest('keda')).toEqual({ version: '2', files: ['two', 'one'] })
  })

  test.each<[string, string, RegExp]>([
    [
      'a file outside of it',
      '{"a": {"version": "1", "files": [{"path": "../x", "sha256": "SUM"}]}}',
      /a\.files\.0\.path: expected a path below/,
    ],
    ['an absolute file', '{"a": {"version": "1", "files": [{"path": "/etc/x", "sha256": "SUM"}]}}', /a\.files\.0\.path/],
    ['no checksum', '{"a": {"version": "1", "files": [{"path": "x"}]}}', /a\.files\.0\.sha256/],
    ['no files', '{"a": {"version": "1", "files": []}}', /a\.files/],
    ['no JSON', 'a: 1', /catalog\.json of .* is wrong/],
  ])('that names %s is refused with the path of the field', async (_, text, message) => {
    const place = folder()
    writeFileSync(join(place, 'catalog.json'), text.replace('SUM', '0'.repeat(64)))
    await expect(catalog(place).manifest('a')).rejects.toThrow(message)
  })

  test('is missed with the way to one', async () => {
    await expect(catalog(undefined).manifest('keda')).rejects.toThrow(/set BERTH_ADDONS \(bin\/addons makes one\)/)
    await expect(catalog(folder()).manifest('keda')).rejects.toThrow(/cannot be read/)
  })

  test('is made by bin/addons, which pins what it downloads', async () => {
    const server = createServer((request, response) => response.writeHead(request.url === '/a.yaml' ? 200 : 404).end('kind: A'))
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const place = folder()
    const from = join(place, 'from.json')
    const make = (path: string): Promise<unknown> => {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${path}`
      writeFileSync(from, JSON.stringify({ keda: { version: '2.0', files: { 'a.yaml': url } } }))
      return promisify(execFile)(resolve(import.meta.dirname, '../../bin/addons'), [place, '--from', from])
    }
    await make('a.yaml')
    expect(await catalog(place).manifest('keda')).toEqual({ version: '2.0', files: ['kind: A'] })
    expect(readFileSync(join(place, 'catalog.json'), 'utf8')).toContain(sum('kind: A'))
    await expect(make('b.yaml')).rejects.toThrow(/b\.yaml was answered with 404/)
    server.close()
  })
})

describe('the manifests of an add-on', () => {
  const definition = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata: { name: 'as.x.y' } }
  const own = { ...definition, spec: { group: 'x.y', names: { kind: 'A' } } }

  test('come in stages: definitions, what runs with its namespaces first, then objects of their own kinds', () => {
    const texts = [
      JSON.stringify({ apiVersion: 'x.y/v1', kind: 'A', metadata: { name: 'setting' } }),
      '---\napiVersion: apps/v1\nkind: Deployment\nmetadata: { name: d }\n---\n# nothing\n---\napiVersion: v1\nkind: Namespace\nmetadata: { name: n }\nstatus: {}\n',
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [own] }),
    ]
    const { definitions, parts, settings } = stagesOf(objectsIn(texts))
    expect([definitions, parts, settings].map((stage) => stage.map((one) => one.metadata.name))).toEqual([
      ['as.x.y'],
      ['n', 'd'],
      ['setting'],
    ])
    expect(parts[0]).not.toHaveProperty('status')
  })

  test.each<[string, string, RegExp]>([
    ['no YAML', 'a: [', /no YAML/],
    ['no object', 'a: 1', /without apiVersion and kind/],
    ['an object without a name', 'apiVersion: v1\nkind: Secret\nmetadata: {}', /Secret without a name/],
    [
      'aliases without end',
      `a: &a [x]\n${'bcdefghijk'.replace(/./g, (c) => `${c}: &${c} [*${String.fromCharCode(c.charCodeAt(0) - 1)}, *${String.fromCharCode(c.charCodeAt(0) - 1)}]\n`)}`,
      /cannot be read|apiVersion/,
    ],
  ])('that are %s are refused', (_, text, message) => {
    expect(() => objectsIn([text])).toThrow(message)
  })

  test('are waited for by what each kind says of itself', () => {
    const available = { conditions: [{ type: 'Available', status: 'True' }], observedGeneration: 2, updatedReplicas: 1 }
    expect(waitsFor(object('Deployment', { status: available }))).toBeNull()
    expect(waitsFor(object('Deployment', { status: { ...available, observedGeneration: 1 } }))).toBe('its new pods are not there yet')
    expect(
      waitsFor(object('Deployment', { status: { ...available, conditions: [{ type: 'Available', status: 'False', message: 'low' }] } })),
    ).toBe('low')
    expect(waitsFor(object('StatefulSet', { spec: { replicas: 3 }, status: { readyReplicas: 1, observedGeneration: 2 } }))).toBe(
      '1 of 3 pods are ready',
    )
    expect(waitsFor(object('DaemonSet', { status: { numberAvailable: 1, desiredNumberScheduled: 2, observedGeneration: 2 } }))).toBe(
      '1 of 2 pods are available',
    )
    expect(waitsFor(object('CustomResourceDefinition'))).toBe('it is not Established yet')
    expect(waitsFor(object('ConfigMap'))).toBeNull()
  })

  test('that do not come up are explained by their pods', () => {
    const waiting = (reason: string) =>
      object('Pod', { status: { containerStatuses: [{ name: 'c', state: { waiting: { reason, message: 'm' } } }] } })
    expect(troubleOf([waiting('ContainerCreating')])).toBeNull()
    expect(troubleOf([waiting('ImagePullBackOff')])).toBe('x: ImagePullBackOff: m')
    const unscheduled = { conditions: [{ type: 'PodScheduled', status: 'False', message: 'no room' }] }
    expect(troubleOf([object('Pod', { status: unscheduled })])).toBe('x: no room')
  })
})
