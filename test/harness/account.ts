import { resolve } from 'node:path'
import { kubeconfigOf, parseKubeconfig } from '../../src/model/kubeconfig.ts'
import { kubeconfig, kubectl } from './cluster.ts'
import { until, type TestServer } from './server.ts'

/** A kubeconfig of the account that docs/reference/kubernetes-role.yaml makes, which goes with the server. */
export async function narrowAccount(server: TestServer): Promise<string> {
  kubectl('apply', '--filename', resolve(import.meta.dirname, '../../docs/reference/kubernetes-role.yaml'))
  server.leftovers.push(
    () => void kubectl('delete', '--wait=false', 'namespace/berth-access', 'clusterrole/berth', 'clusterrolebinding/berth'),
  )
  const token = (): string => {
    const text = kubectl('get', 'secret', 'berth-token', '--namespace', 'berth-access', '--output', 'jsonpath={.data.token}')
    return Buffer.from(text, 'base64').toString()
  }
  await until('the token', 20, () => Promise.resolve(token() !== ''))
  return kubeconfigOf({ ...parseKubeconfig(kubeconfig()), token: token() }, 'narrow')
}
