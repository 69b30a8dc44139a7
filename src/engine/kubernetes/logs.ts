import type { LogLine } from '../port.ts'
import type { KubeClient } from './client.ts'
import { rolloutIn } from './label.ts'
import { pathTo, type KubeObject } from './object.ts'
import { CONTAINER } from './render/name.ts'

/** Lines and bytes kept of an instance that goes, and milliseconds between looks for new instances while following. */
const KEPT_LINES = 1000
const KEPT_BYTES = 500_000
const LOOK = 1000

type Options = { follow: boolean; tail: number; signal: AbortSignal }
type Status = { containerStatuses?: { name: string; restartCount: number; state?: Record<string, unknown> }[] }

const pathFor = (pod: KubeObject, query: string): string =>
  `${pathTo({ kind: 'Pod', namespace: pod.metadata.namespace ?? '', name: pod.metadata.name })}/log?container=${CONTAINER}&timestamps=true&${query}`
const statusOf = (pod: KubeObject) => (pod['status'] as Status).containerStatuses?.find((one) => one.name === CONTAINER)
const hasBegun = (pod: KubeObject): boolean => {
  const status = statusOf(pod)
  return status?.state?.['running'] !== undefined || status?.state?.['terminated'] !== undefined || (status?.restartCount ?? 0) > 0
}

/** The lines of every instance of an application, merged as they come, those before a restart too; while following, instances that appear later join in. */
export async function* followLogs(client: KubeClient, list: () => Promise<KubeObject[]>, options: Options): AsyncIterable<LogLine> {
  const before = async (pod: KubeObject): Promise<LogLine[]> => [
    ...((statusOf(pod)?.restartCount ?? 0) > 0 ? await collect(readOne(client, pod, { ...options, follow: false, previous: true })) : []),
    ...(hasBegun(pod) ? await collect(readOne(client, pod, { ...options, follow: false, previous: false })) : []),
  ]
  if (!options.follow) {
    const all = await Promise.all((await list()).map(before))
    yield* all
      .flat()
      .sort((a, b) => a.at.getTime() - b.at.getTime())
      .slice(-options.tail)
    return
  }
  const queue: LogLine[] = []
  let wake = (): void => undefined
  const open = new Set<string>()
  const join = async (): Promise<void> => {
    for (const pod of await list()) {
      const key = `${pod.metadata.uid}/${statusOf(pod)?.restartCount ?? 0}`
      if (open.has(key) || !hasBegun(pod)) continue
      open.add(key)
      void (async () => {
        for await (const line of readOne(client, pod, { ...options, previous: false })) {
          queue.push(line)
          wake()
        }
      })().catch(() => undefined)
    }
  }
  await join()
  while (!options.signal.aborted) {
    while (queue.length > 0) yield queue.shift() as LogLine
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LOOK)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
      options.signal.addEventListener('abort', wake, { once: true })
    })
    await join().catch(() => undefined)
  }
}

async function collect(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const all: LogLine[] = []
  try {
    for await (const line of lines) all.push(line)
  } catch {
    // What has not begun, or was cleaned up, has no lines.
  }
  return all
}

async function* readOne(client: KubeClient, pod: KubeObject, options: Options & { previous: boolean }): AsyncIterable<LogLine> {
  const query = `follow=${options.follow}&tailLines=${options.tail}&previous=${options.previous}`
  const stream = await client.stream('GET', pathFor(pod, query), { signal: options.signal })
  const { revision } = rolloutIn(pod.metadata.labels)
  let rest = ''
  stream.setEncoding('utf8')
  const parse = (line: string): LogLine => {
    const space = line.indexOf(' ')
    // Kubernetes does not tell the two streams apart.
    return { at: new Date(line.slice(0, space)), instance: pod.metadata.name, revision, message: line.slice(space + 1), stream: 'stdout' }
  }
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield parse(line)
  }
  if (rest !== '') yield parse(rest)
}

/** The last lines of an instance that is about to go. */
export async function lastLines(client: KubeClient, pod: KubeObject): Promise<string> {
  if (!hasBegun(pod)) return ''
  const stream = await client.stream('GET', pathFor(pod, `tailLines=${KEPT_LINES}`), { limit: 3000 })
  stream.setEncoding('utf8')
  let text = ''
  for await (const chunk of stream as AsyncIterable<string>) text = (text + chunk).slice(-KEPT_BYTES)
  return text
}
