import { z } from 'zod'
import { invalid } from './error.ts'

export const protocols = ['http', 'grpc', 'tcp', 'udp'] as const

export const port = z.object({
  id: z.string(),
  name: z.string(),
  internal: z.number(),
  /** The port people use: 443 for public HTTP and gRPC, otherwise what was asked for, by default the internal one. */
  external: z.number().nullable(),
  public: z.boolean(),
  isDefault: z.boolean(),
  protocol: z.enum(protocols),
  publicPath: z.string().nullable(),
  publicPathRewrite: z.string().nullable(),
})
export type Port = z.infer<typeof port>

export const isWeb = (port: Port): boolean => port.protocol === 'http' || port.protocol === 'grpc'
export const publicWebPorts = (ports: Port[]): Port[] => ports.filter((port) => port.public && isWeb(port))
export const publicStreamPorts = (ports: Port[]): Port[] => ports.filter((port) => port.public && !isWeb(port))

/** Names and numbers once each; exactly one public web port is the default one. */
export function checkedPorts(ports: Port[]): Port[] {
  const numbers = new Set<string>()
  const names = new Set<string>()
  ports.forEach((port, index) => {
    const key = `${port.protocol === 'udp' ? 'udp' : 'tcp'}/${port.internal}`
    if (numbers.has(key)) throw invalid(`ports[${index}].internal_port`, `expected each port once, found ${port.internal} twice`)
    if (names.has(port.name))
      throw invalid(`ports[${index}].name`, `expected each port name once, found ${JSON.stringify(port.name)} twice`)
    numbers.add(key)
    names.add(port.name)
  })
  const web = publicWebPorts(ports)
  if (web.filter((port) => port.isDefault).length > 1) throw invalid('ports', 'expected one default port, found several with is_default')
  const chosen = web.find((port) => port.isDefault) ?? web[0]
  return ports.map((port) => ({ ...port, isDefault: port === chosen }))
}
