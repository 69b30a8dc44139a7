import { referenceTo, type KubeObject, type Reference } from './object.ts'

type ServicePort = { name: string; port: number; protocol: string }
type Spec = { ports: ServicePort[] }

/** Until the new instances have taken over, the old ones are reached by the ports that they have; the route step then sends nobody there any more. */
export function withOldPorts(objects: KubeObject[], find: (reference: Reference) => KubeObject | undefined): KubeObject[] {
  const own = objects.find((one) => one.kind === 'Service')
  const live = own && find(referenceTo(own))
  if (!own || !live) return objects
  const spec = own['spec'] as Spec
  const left = (live['spec'] as Spec).ports.filter(
    (one) => !spec.ports.some((port) => port.port === one.port && port.protocol === one.protocol),
  )
  const ports = [...spec.ports, ...left.map(({ name, port, protocol }) => ({ name, port, targetPort: port, protocol }))]
  return objects.map((object) => (object === own ? { ...own, spec: { ...spec, ports } } : object))
}
