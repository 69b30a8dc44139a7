import type { Application } from '../model/application.ts'
import { shortId } from '../model/id.ts'
import { publicWebPorts } from '../model/port.ts'

export type Neighbourhood = {
  project: { id: string }
  environment: { id: string; name: string; mode: string; engineName: string }
  cluster: { id: string; name: string }
  /** Every application of the environment, this one included. */
  applications: Application[]
  /** The domain below which addresses lie. */
  domain: string
}

export type BuiltIn = { key: string; value: string; of: 'project' | 'environment' | 'self' | { application: Application } }

/** The variables every application gets. What changes with each deployment of its own or a neighbour (commit, deployment id) is not in here: it would restart instances without meaning. */
export function builtInVariables(self: Application, around: Neighbourhood): BuiltIn[] {
  const own = self.spec.source.kind === 'git' ? 'APPLICATION' : 'CONTAINER'
  return [
    { key: 'QOVERY_PROJECT_ID', value: around.project.id, of: 'project' },
    { key: 'QOVERY_ENVIRONMENT_ID', value: around.environment.id, of: 'environment' },
    { key: 'QOVERY_ENVIRONMENT_NAME', value: around.environment.name, of: 'environment' },
    { key: 'QOVERY_ENVIRONMENT_TYPE', value: around.environment.mode, of: 'environment' },
    { key: 'QOVERY_CLOUD_PROVIDER', value: 'ON_PREMISE', of: 'environment' },
    { key: 'QOVERY_CLOUD_PROVIDER_REGION', value: 'on-premise', of: 'environment' },
    { key: 'QOVERY_KUBERNETES_CLUSTER_NAME', value: `qovery-z${shortId(around.cluster.id)}`, of: 'environment' },
    { key: 'QOVERY_KUBERNETES_CLUSTER_DOMAIN', value: around.domain, of: 'environment' },
    { key: 'QOVERY_KUBERNETES_NAMESPACE_NAME', value: around.environment.engineName, of: 'environment' },
    { key: `QOVERY_${own}_ID`, value: self.id, of: 'self' },
    { key: `QOVERY_${own}_NAME`, value: self.name, of: 'self' },
    ...around.applications.flatMap((application) => describing(application, around)),
  ]
}

function describing(application: Application, around: Neighbourhood): BuiltIn[] {
  const git = application.spec.source.kind === 'git'
  const prefix = `QOVERY_${git ? 'APPLICATION' : 'CONTAINER'}_Z${shortId(application.id).toUpperCase()}`
  const of = { application }
  const found: BuiltIn[] = [{ key: `${prefix}_HOST_INTERNAL`, value: application.engineName, of }]
  if (publicWebPorts(application.spec.ports).length > 0)
    found.push({ key: `${prefix}_HOST_EXTERNAL`, value: `${application.addressLabel}.${around.domain}`, of })
  return [
    ...found,
    { key: `${prefix}_NAME`, value: application.name, of },
    { key: `${prefix}_ENVIRONMENT_NAME`, value: around.environment.name, of },
  ]
}
