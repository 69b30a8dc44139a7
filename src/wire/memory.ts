import type { ClusterAdapters } from '../deploy/dependencies.ts'
import { MemoryBuilder, MemoryEngine } from '../engine/memory/engine.ts'

/** A cluster that needs nothing and runs nothing. */
export function wireMemory(clusterId: string): ClusterAdapters {
  const engine = new MemoryEngine()
  return {
    engine,
    inspection: engine,
    provisioning: engine,
    builder: new MemoryBuilder(clusterId),
    run: () => Promise.resolve(),
    poke: () => undefined,
  }
}
