import { applyMany } from '../test/harness/scale.ts'

/** What many applications cost on one cluster, whose pods run on nodes that kwok plays. */
const COUNT = Number(process.env['COUNT'] ?? 1000)

const { applySeconds, callsPerApplication, seenSeconds, relistSeconds, cpuSeconds, heapMib } = await applyMany(COUNT)
process.stdout.write(
  `${COUNT} applications: applied in ${applySeconds.toFixed(1)} s with ${callsPerApplication.toFixed(1)} API calls each; all seen ${seenSeconds.toFixed(1)} s later; ` +
    `a new process sees all after ${relistSeconds.toFixed(1)} s; two engines in one process used ${cpuSeconds.toFixed(0)} s of CPU and ${heapMib.toFixed(0)} MiB of heap\n`,
)
process.exit(0)
