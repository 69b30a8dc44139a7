/** What the scheduler says of one kind of obstacle, with how many nodes have it. */
type Obstacle = { nodes: number; text: string }

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {…}. preemption: …` → its obstacles, the most frequent first. */
export function obstaclesIn(message: string): { nodes: number; obstacles: Obstacle[] } {
  const total = /^(\d+)\/(\d+) nodes are available/.exec(message)
  const said = message
    .replace(/^[^:]*:\s*/, '')
    .split(/\.\s*(?:no new claims|preemption:)|\.$/i)[0]
    ?.split(/,\s+(?=\d+ )/)
  const obstacles = (said ?? []).flatMap((part): Obstacle[] => {
    const found = /^(\d+)\s+(?:node\(s\)\s+)?(.*?)\.?$/.exec(part.trim())
    return found ? [{ nodes: Number(found[1]), text: found[2] ?? '' }] : []
  })
  return { nodes: Number(total?.[2] ?? 0), obstacles: obstacles.sort((a, b) => b.nodes - a.nodes) }
}

type Told = { reason: string; cause: string; remedy: string }

/**
 * Obstacles by what they look like; the first that fits is told. What a node lacks that would take it comes before what keeps it from
 * the other nodes: of a full node with its labels and ten nodes without them, the full one is the cause.
 */
const known: [RegExp, (nodes: string) => Told][] = [
  [
    /nvidia\.com\/gpu/,
    (nodes) => ({
      reason: 'NoGpu',
      cause: `no node has the GPUs free that it asks for (${nodes})`,
      remedy:
        'Set gpu to 0, stop another application with GPUs, or add a node with some. A rolling update needs one more: set max surge to 0.',
    }),
  ],
  [
    /Insufficient cpu/,
    (nodes) => ({
      reason: 'NoCpu',
      cause: `no node has the CPU free that it asks for (${nodes})`,
      remedy: 'Lower cpu, stop something, or add a node.',
    }),
  ],
  [
    /Insufficient memory/,
    (nodes) => ({
      reason: 'NoMemory',
      cause: `no node has the memory free that it asks for (${nodes})`,
      remedy: 'Lower memory, stop something, or add a node.',
    }),
  ],
  [
    /Insufficient ephemeral-storage/,
    (nodes) => ({
      reason: 'NoDisk',
      cause: `no node has the temporary storage free that it asks for (${nodes})`,
      remedy: 'Lower ephemeral_storage_in_gib, or add a node with a larger disk.',
    }),
  ],
  [
    /Too many pods/,
    (nodes) => ({ reason: 'TooManyPods', cause: `the nodes run as many pods as they may (${nodes})`, remedy: 'Add a node.' }),
  ],
  [
    /PersistentVolume's node affinity|volume node affinity/,
    () => ({
      reason: 'VolumeElsewhere',
      cause: 'its volume is in a zone or on a node where there is no room',
      remedy: 'Make room on the node that has the volume.',
    }),
  ],
  [
    /unbound immediate PersistentVolumeClaims|persistentvolumeclaim/i,
    () => ({
      reason: 'VolumePending',
      cause: 'its volume does not exist yet',
      remedy: 'Look at the storage class with `berth cluster check`: it must exist and have a provisioner that runs.',
    }),
  ],
  [
    /anti-affinity/,
    (nodes) => ({
      reason: 'TooFewNodes',
      cause: `its instances must be on different nodes, and there are too few (${nodes})`,
      remedy: 'Set deployment.antiaffinity.pod to Preferred, lower the number of instances, or add a node.',
    }),
  ],
  [
    /topology spread constraints \(missing required label\)/,
    (nodes) => ({
      reason: 'NoZones',
      cause: `its instances must be spread over zones, and the nodes have no label that says theirs (${nodes})`,
      remedy: 'Set deployment.topology_spread.zone to ScheduleAnyway, or label the nodes with topology.kubernetes.io/zone.',
    }),
  ],
  [
    /topology spread/,
    (nodes) => ({
      reason: 'ZonesUneven',
      cause: `its instances must be spread over zones, and no node of the zone in turn is free (${nodes})`,
      remedy: 'Set deployment.topology_spread.zone to ScheduleAnyway, or add a node there.',
    }),
  ],
  [
    /node affinity|node selector|affinity\/selector/,
    (nodes) => ({
      reason: 'NoMatchingNode',
      cause: `no node has the labels that it requires (${nodes})`,
      remedy: 'Change deployment.affinity.node.required or cpu_architecture, or label a node.',
    }),
  ],
  [
    /taint/,
    (nodes) => ({
      reason: 'NodesTainted',
      cause: `the nodes refuse it by a taint (${nodes})`,
      remedy: 'Wait if a node is starting or being drained; otherwise remove the taint or add a node.',
    }),
  ],
  [
    /unschedulable|not ready/i,
    (nodes) => ({ reason: 'NodesClosed', cause: `the nodes take nothing new (${nodes})`, remedy: 'Uncordon a node, or add one.' }),
  ],
]

/** Why no node takes it, in words, with how many of how many nodes say so. */
export function explainScheduling(message: string): Told {
  const { nodes, obstacles } = obstaclesIn(message)
  for (const [pattern, told] of known) {
    const fitting = obstacles.filter((one) => pattern.test(one.text))
    if (fitting.length > 0) return told(`${fitting.reduce((sum, one) => sum + one.nodes, 0)} of ${nodes} nodes`)
  }
  for (const [pattern, told] of known) if (pattern.test(message)) return told('the cluster says so')
  return {
    reason: 'Unschedulable',
    cause: 'no node of the cluster takes it',
    remedy: 'Look at the evidence, and at the cluster with `berth cluster check`.',
  }
}
