import { setTimeout as pause } from 'node:timers/promises'
import { AppError } from '../../model/error.ts'
import type { KubeClient } from './client.ts'
import { KubernetesError } from './error.ts'
import { pathOf, versionOf, type Kind, type KubeObject } from './object.ts'

/** Objects per page of a list. */
const PAGE = 500
/** Seconds after which the server ends a watch, so that a connection that died unnoticed is no loss for long; milliseconds without a byte that mean the same. */
const WATCH_SECONDS = 300
/** Milliseconds between tries: doubled each time up to the limit; where the kind does not exist or may not be read, the longest at once. */
const FIRST_PAUSE = 250
const LONGEST_PAUSE = 15_000

const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'
const METADATA_LIST = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'

export type Watched = { kind: Kind; query: string; metadataOnly: boolean }

/** Told of everything that is, then of what changes. `version`: as of when. */
export type Listener = {
  onList(objects: KubeObject[], version: bigint): void
  onChange(object: KubeObject, gone: boolean): void
  onVersion(version: bigint): void
  /** The kind cannot be read now (or at all): why. */
  onFailure(error: unknown): void
}

type ListAnswer = { metadata: { resourceVersion?: string; continue?: string }; items: KubeObject[] }
type WatchEvent = {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  object: KubeObject & { code?: number; message?: string }
}

/** Lists a kind and follows its changes until aborted: from where it left off after a lost connection, from a new list after 410. */
export async function follow(client: KubeClient, watched: Watched, listener: Listener, signal: AbortSignal): Promise<void> {
  let wait = FIRST_PAUSE
  let version: string | undefined
  while (!signal.aborted) {
    try {
      if (version === undefined) version = await list(client, watched, listener, signal)
      wait = FIRST_PAUSE
      version = await watch(client, watched, listener, { version, signal })
    } catch (error) {
      if (signal.aborted) return
      version = error instanceof KubernetesError && error.status === 410 ? undefined : version
      listener.onFailure(error)
      const hopeless = error instanceof AppError && ['not_found', 'forbidden', 'invalid'].includes(error.code)
      await pause(hopeless ? LONGEST_PAUSE : wait, undefined, { signal }).catch(() => undefined)
      wait = Math.min(wait * 2, LONGEST_PAUSE)
    }
  }
}

async function list(client: KubeClient, { kind, query, metadataOnly }: Watched, listener: Listener, signal: AbortSignal): Promise<string> {
  const items: KubeObject[] = []
  let [more, version]: [string | undefined, string] = ['', '']
  while (more !== undefined) {
    const page: ListAnswer = await client.call(
      'GET',
      `${pathOf(kind)}?limit=${PAGE}&${query}${more === '' ? '' : `&continue=${encodeURIComponent(more)}`}`,
      {
        signal,
        patience: 0,
        ...(metadataOnly ? { accept: METADATA_LIST } : {}),
      },
    )
    for (const item of page.items) items.push({ ...item, kind })
    version = page.metadata.resourceVersion ?? version
    more = page.metadata.continue === '' ? undefined : page.metadata.continue
  }
  listener.onList(items, versionOf(version))
  return version
}

/** Ends well when the server ends it; the version it came to. */
async function watch(
  client: KubeClient,
  { kind, query, metadataOnly }: Watched,
  listener: Listener,
  of: { version: string; signal: AbortSignal },
): Promise<string> {
  let { version } = of
  const path = `${pathOf(kind)}?watch=true&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${version}&${query}`
  const response = await client.stream('GET', path, { signal: of.signal, ...(metadataOnly ? { accept: METADATA_ONLY } : {}) })
  response.setTimeout((WATCH_SECONDS + 30) * 1000, () => response.destroy())
  let rest = ''
  response.setEncoding('utf8')
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const event = JSON.parse(line) as WatchEvent
      if (event.type === 'ERROR')
        throw new KubernetesError(event.object.code ?? 500, {
          message: event.object.message ?? 'the watch ended',
          reason: '',
          retryAfter: null,
        })
      version = event.object.metadata.resourceVersion ?? version
      if (event.type !== 'BOOKMARK') listener.onChange({ ...event.object, kind }, event.type === 'DELETED')
      listener.onVersion(versionOf(version))
    }
  }
  return version
}
