import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Where Docker's BuildKit puts the processes of builds, whatever `--cgroup-parent` says (measured with Docker 20.10): one group for all of them. */
const GROUP = 'docker/buildkit'
/** Of 1024 (v1) and of 100 (v2): builds get a tenth of the time that running applications ask for at the same moment. */
const SHARES_V1 = 102
const WEIGHT_V2 = 10
const PERIOD = 100_000

export type BuildLimits = { cpuMilli: number; memoryGib: number }

/** The files that limit the build group and what to write, on cgroup v1 or v2. */
export function limitFiles(limits: BuildLimits, root = '/sys/fs/cgroup'): [string, string][] {
  const quota = String(Math.round((limits.cpuMilli / 1000) * PERIOD))
  const memory = String(limits.memoryGib * 1024 ** 3)
  if (existsSync(join(root, 'cgroup.controllers')))
    return [
      [join(root, GROUP, 'cpu.max'), `${quota} ${PERIOD}`],
      [join(root, GROUP, 'memory.max'), memory],
      [join(root, GROUP, 'cpu.weight'), String(WEIGHT_V2)],
    ]
  return [
    [join(root, 'cpu', GROUP, 'cpu.cfs_quota_us'), quota],
    [join(root, 'memory', GROUP, 'memory.limit_in_bytes'), memory],
    [join(root, 'cpu', GROUP, 'cpu.shares'), String(SHARES_V1)],
  ]
}

/** Sets them. False where this process may not or the group is elsewhere: the build log then says that the limits are not enforced here. */
export function enforceLimits(limits: BuildLimits): boolean {
  try {
    for (const [file, value] of limitFiles(limits)) writeFileSync(file, value, { flag: 'r+' })
    return true
  } catch {
    return false
  }
}
