import type { Usage } from '../../engine/port.ts'
import type { Application } from '../../model/application.ts'

/** Percent of a limit at which a number deserves a look, and at which it is close. */
const [WARNING, ALERT] = [80, 95]

/** What the instances of a service use, in the contract's shape; all numbers whole. */
export function presentUsage(application: Application, used: Usage[]) {
  const { cpuMilli, memoryMib, settings } = application.spec
  const limits = { cpu: Math.max(cpuMilli, settings.limits.cpuMilli ?? 0), memory: Math.max(memoryMib, settings.limits.memoryMib ?? 0) }
  return used.map((one) => ({
    pod_name: one.instance,
    cpu: metric(one.cpuMilli, limits.cpu, 'mCPU'),
    memory: metric(one.memoryMib, limits.memory, 'MiB'),
    storages: [],
  }))
}

function metric(current: number, limit: number, unit: 'mCPU' | 'MiB') {
  const percent = limit === 0 ? 0 : Math.round((current / limit) * 100)
  return { current, current_percent: percent, limit, status: percent >= ALERT ? 'ALERT' : percent >= WARNING ? 'WARNING' : 'OK', unit }
}
