import type { Usage } from '../port.ts'
import type { DockerClient } from './client.ts'
import { nameOf, type Inspected } from './observe.ts'

type Stats = {
  cpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage?: number; online_cpus?: number }
  precpu_stats: { cpu_usage: { total_usage: number }; system_cpu_usage?: number }
  memory_stats: { usage?: number; stats?: { inactive_file?: number; total_inactive_file?: number } }
}

/** What the running instances use now; Docker takes a second to measure. */
export async function usageOf(docker: DockerClient, found: Inspected[]): Promise<Usage[]> {
  const running = found.filter((one) => one.State.Running)
  const measured = await Promise.all(
    running.map(async (one) => {
      const stats = await docker.find<Stats>('GET', `/containers/${one.Id}/stats?stream=false`)
      return stats && { instance: nameOf(one), cpuMilli: cpuOf(stats), memoryMib: memoryOf(stats) }
    }),
  )
  return measured.filter((one) => one !== undefined)
}

function cpuOf({ cpu_stats: now, precpu_stats: before }: Stats): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage
  const passed = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0)
  return passed > 0 ? Math.round((used / passed) * (now.online_cpus ?? 1) * 1000) : 0
}

/** Without the page cache that the kernel would give back, as `docker stats` counts. */
function memoryOf({ memory_stats: { usage = 0, stats } }: Stats): number {
  return Math.round((usage - (stats?.total_inactive_file ?? stats?.inactive_file ?? 0)) / 1024 ** 2)
}
