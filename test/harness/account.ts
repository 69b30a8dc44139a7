import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { kubeconfigOf, parseKubeconfig } from '../../src/model/kubeconfig.ts'
import { kubeconfig, kubectl, kubectlApply } from './cluster.ts'
import { until, type TestServer } from './server.ts'

type Part = {
  kind: string
  metadata: { name: string; namespace?: string }
  roleRef?: { name: string }
  subjects?: { namespace: string }[]
}

/** The role of the reference, under names of its own: other files of tests have theirs at the same time. */
function role(own: string): Part[] {
  const text = readFileSync(resolve(import.meta.dirname, '../../docs/reference/kubernetes-role.yaml'), 'utf8')
  const parts = parseAllDocuments(text).map((one) => one.toJS() as Part)
  for (const { kind, metadata, roleRef, subjects } of parts) {
    if (['Namespace', 'ClusterRole', 'ClusterRoleBinding'].includes(kind)) metadata.name = own
    if (metadata.namespace) metadata.namespace = own
    if (roleRef) roleRef.name = own
    for (const subject of subjects ?? []) subject.namespace = own
  }
  return parts
}

/** A kubeconfig of the account that docs/reference/kubernetes-role.yaml makes, which goes with the server. */
export async function narrowAccount(server: TestServer): Promise<string> {
  const own = `berth-access-${process.pid}`
  kubectlApply(...role(own))
  server.leftovers.push(() => void kubectl('delete', '--wait=false', `namespace/${own}`, `clusterrole/${own}`, `clusterrolebinding/${own}`))
  const token = (): string => {
    const text = kubectl('get', 'secret', 'berth-token', '--namespace', own, '--output', 'jsonpath={.data.token}')
    return Buffer.from(text, 'base64').toString()
  }
  await until('the token', 20, () => Promise.resolve(token() !== ''))
  return kubeconfigOf({ ...parseKubeconfig(kubeconfig()), token: token() }, 'narrow')
}
