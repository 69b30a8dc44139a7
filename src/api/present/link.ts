import type { Application } from '../../model/application.ts'
import { publicStreamPorts, publicWebPorts } from '../../model/port.ts'
import type { Api } from '../route.ts'
import { serviceTypeOf } from './service.ts'

/** Where a cluster is reached from outside: its own domain on the usual port, or this machine's edge. */
export const edgeOf = (
  environment: { cluster_domain: string | null },
  own: { domain: string; edgePort: number },
): { domain: string; edgePort: number } =>
  environment.cluster_domain === null ? own : { domain: environment.cluster_domain, edgePort: 443 }

export const ownEdge = (api: Api): { domain: string; edgePort: number } => ({ domain: api.deps.domain, edgePort: api.settings.edgePort })

/** Where an application answers, also before it was ever deployed. `edgePort`: the edge's HTTPS port, shown where it is not 443. */
export function linksOf(application: Application, at: { domain: string; edgePort: number }) {
  const base = { service_id: application.id, service_type: serviceTypeOf(application), is_qovery_domain: true }
  const suffix = at.edgePort === 443 ? '' : `:${at.edgePort}`
  const host = `${application.addressLabel}.${at.domain}`
  const web = publicWebPorts(application.spec.ports).flatMap((port) => {
    const link = { ...base, internal_port: port.internal, external_port: at.edgePort }
    const named = { ...link, url: `https://${port.name}-${host}${suffix}`, is_default: false }
    return port.isDefault ? [{ ...link, url: `https://${host}${suffix}`, is_default: true }, named] : [named]
  })
  const streams = publicStreamPorts(application.spec.ports).map((port) => ({
    ...base,
    internal_port: port.internal,
    external_port: port.external ?? port.internal,
    url: `${host}:${port.external ?? port.internal}`,
    is_default: false,
  }))
  return [...web, ...streams]
}
