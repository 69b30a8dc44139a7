import { AppError } from '../../model/error.ts'
import type { Workload } from '../../model/workload.ts'
import type { KubeClient } from './client.ts'
import { pathTo } from './object.ts'

type Node = { status: { allocatable?: Record<string, string> }; spec: { unschedulable?: boolean } }

/** What would only fail later, and slowly: told before anything is changed. */
export async function precheck(client: KubeClient, workload: Workload): Promise<void> {
  const { serviceAccount } = workload.settings
  const { namespace } = workload.place
  if (serviceAccount !== null && !(await client.find('GET', pathTo({ kind: 'ServiceAccount', namespace, name: serviceAccount }))))
    throw new AppError(
      'invalid',
      `The service account ${serviceAccount} does not exist in the namespace ${namespace}: create it there, or clear security.service_account_name.`,
      'security.service_account_name',
    )
  if (workload.gpu > 0) {
    const most = await gpusPerNode(client)
    if (most < workload.gpu)
      throw new AppError(
        'invalid',
        `An instance asks for ${workload.gpu} GPUs; ${most === 0 ? 'no node of this cluster has any' : `the largest node of this cluster has ${most}`}. Lower gpu, or add a node with GPUs and NVIDIA's device plug-in.`,
        'gpu',
      )
  }
}

/** GPUs of the node that has most of them. */
export async function gpusPerNode(client: KubeClient): Promise<number> {
  const { items } = await client.call<{ items: Node[] }>('GET', '/api/v1/nodes')
  return Math.max(
    0,
    ...items.filter((node) => !node.spec.unschedulable).map((node) => Number(node.status.allocatable?.['nvidia.com/gpu'] ?? 0)),
  )
}
