import type { LogLine } from '../port.ts'
import { frames, type DockerClient } from './client.ts'
import { targetIn } from './label.ts'
import { nameOf, type Inspected } from './observe.ts'

/** Milliseconds between looks for new instances while following. */
const LOOK = 1000

/** The lines of every instance of an application, merged as they come; while following, instances that appear later join in. */
export async function* followLogs(
  docker: DockerClient,
  list: () => Promise<Inspected[]>,
  options: { follow: boolean; tail: number; signal: AbortSignal },
): AsyncIterable<LogLine> {
  if (!options.follow) {
    const all = await Promise.all((await list()).map((found) => collect(readOne(docker, found, options))))
    yield* all
      .flat()
      .sort((a, b) => a.at.getTime() - b.at.getTime())
      .slice(-options.tail)
    return
  }
  const queue: LogLine[] = []
  let wake = (): void => undefined
  const open = new Set<string>()
  const join = async (tail: number): Promise<void> => {
    for (const found of await list()) {
      const key = `${found.Id}/${found.State.StartedAt}`
      if (open.has(key) || !found.State.Running) continue
      open.add(key)
      void (async () => {
        for await (const line of readOne(docker, found, { ...options, tail })) {
          queue.push(line)
          wake()
        }
      })().catch(() => undefined)
    }
  }
  await join(options.tail)
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
    await join(options.tail).catch(() => undefined)
  }
}

async function collect(lines: AsyncIterable<LogLine>): Promise<LogLine[]> {
  const all: LogLine[] = []
  for await (const line of lines) all.push(line)
  return all
}

async function* readOne(
  docker: DockerClient,
  found: Inspected,
  options: { follow: boolean; tail: number; signal: AbortSignal },
): AsyncIterable<LogLine> {
  const stream = await docker.stream(
    'GET',
    `/containers/${found.Id}/logs?stdout=1&stderr=1&timestamps=1&follow=${options.follow}&tail=${options.tail}`,
    { signal: options.signal },
  )
  const [instance, { revision }] = [nameOf(found), targetIn(found.Config.Labels)]
  const rest = { stdout: '', stderr: '' }
  for await (const frame of frames(stream)) {
    const name = frame.stderr ? 'stderr' : 'stdout'
    const lines = (rest[name] + frame.data.toString()).split('\n')
    rest[name] = lines.pop() ?? ''
    for (const line of lines) {
      const space = line.indexOf(' ')
      yield { at: new Date(line.slice(0, space)), instance, revision, message: line.slice(space + 1), stream: name }
    }
  }
}
