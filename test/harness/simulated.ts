import { kubectl, kubectlApply } from './cluster.ts'

export type SimulatedNode = {
  name: string
  labels?: Record<string, string>
  /** What it gives out beside CPU and memory, and instead of 110 pods. */
  room?: Record<string, string>
}

/**
 * Nodes that kwok plays: they are ready at once, and what is put on them "runs". Where no architecture is said they have one that
 * the real node has not. Returns how to remove them.
 */
export function simulateNodes(...nodes: SimulatedNode[]): () => void {
  kubectlApply(
    ...nodes.map(({ name, labels, room }) => {
      const allocatable = { cpu: '32', memory: '256Gi', pods: '110', ...room }
      return {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: {
          name,
          labels: { type: 'kwok', 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': foreignArchitecture, ...labels },
        },
        status: { allocatable, capacity: allocatable },
      }
    }),
  )
  const names = nodes.map((node) => `node/${node.name}`)
  kubectl('wait', '--for=condition=Ready', '--timeout=60s', ...names)
  return () => void kubectl('delete', ...names)
}

export const foreignArchitecture = process.arch === 'arm64' ? 'amd64' : 'arm64'
export const ownArchitecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
