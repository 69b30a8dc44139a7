import { parseAllDocuments } from 'yaml'
import type { AddonObject } from '../../../model/addon.ts'
import { AppError, messageOf } from '../../../model/error.ts'
import type { KubeObject } from '../object.ts'

/** Objects that one add-on may have: real ones have up to 80. */
const MOST = 1000

/** The steps in which an add-on comes onto a cluster: each stands before the next begins. */
export type Stages = { definitions: KubeObject[]; parts: KubeObject[]; settings: KubeObject[] }

/** The objects of YAML texts, in their order; lists are opened. Throws what is no Kubernetes object. */
export function objectsIn(files: string[]): KubeObject[] {
  const objects = files
    .flatMap((text) => [...parseAllDocuments(text)])
    .flatMap((document) => {
      if (document.errors[0]) throw new AppError('invalid', `A manifest is no YAML: ${document.errors[0].message}`)
      return opened(plain(document))
    })
  if (objects.length > MOST) throw new AppError('invalid', `A manifest has ${objects.length} objects, more than ${MOST}.`)
  return objects
}

function plain(document: { toJS: (options: { maxAliasCount: number }) => unknown }): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new AppError('invalid', `A manifest cannot be read: ${messageOf(error)}`)
  }
}

function opened(value: unknown): KubeObject[] {
  if (value === null || value === undefined) return []
  const object = value as KubeObject & { items?: unknown[] }
  if (typeof object.apiVersion !== 'string' || typeof object.kind !== 'string')
    throw new AppError('invalid', 'A manifest has a document without apiVersion and kind.')
  if (object.kind === 'List') return (object.items ?? []).flatMap(opened)
  if (typeof object.metadata?.name !== 'string') throw new AppError('invalid', `A manifest has a ${object.kind} without a name.`)
  delete object['status']
  return [object]
}

export const group = (apiVersion: string): string => (apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '')

/** Definitions of kinds, then what runs, then objects of the add-on's own kinds, which what runs may have to admit. */
export function stagesOf(objects: KubeObject[]): Stages {
  const definitions = objects.filter(isDefinition)
  const own = new Set(
    definitions.map((one) => {
      const spec = one['spec'] as { group: string; names: { kind: string } }
      return `${spec.group}/${spec.names.kind}`
    }),
  )
  const isSetting = (one: KubeObject): boolean => own.has(`${group(one.apiVersion)}/${one.kind}`)
  const parts = objects.filter((one) => !isDefinition(one) && !isSetting(one))
  return {
    definitions,
    parts: [...parts.filter((one) => one.kind === 'Namespace'), ...parts.filter((one) => one.kind !== 'Namespace')],
    settings: objects.filter(isSetting),
  }
}

export const isDefinition = (one: { apiVersion: string; kind: string }): boolean =>
  one.kind === 'CustomResourceDefinition' && group(one.apiVersion) === 'apiextensions.k8s.io'

/** One name for an object, whichever version of its API it is written in. */
export const identityOf = (one: Omit<AddonObject, 'uid'>): string => `${group(one.apiVersion)}/${one.kind}/${one.namespace}/${one.name}`

export const nameOf = (one: Pick<AddonObject, 'kind' | 'namespace' | 'name'>): string =>
  `${one.kind} ${one.namespace === '' ? '' : `${one.namespace}/`}${one.name}`
