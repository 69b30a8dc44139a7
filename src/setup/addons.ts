import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AppError, messageOf } from '../model/error.ts'

type Source = { version: string; files: Record<string, string> }

/** What is published of each add-on, pinned. A GatewayClass is not among Envoy Gateway's own manifests. */
const published: Record<string, Source> = {
  'cert-manager': {
    version: '1.21.2',
    files: { 'cert-manager.yaml': 'https://github.com/cert-manager/cert-manager/releases/download/v1.21.2/cert-manager.yaml' },
  },
  'envoy-gateway': {
    version: '1.9.1',
    files: {
      'install.yaml': 'https://github.com/envoyproxy/gateway/releases/download/v1.9.1/install.yaml',
      'class.yaml':
        'data:,apiVersion: gateway.networking.k8s.io/v1%0Akind: GatewayClass%0Ametadata: { name: envoy }%0Aspec: { controllerName: gateway.envoyproxy.io/gatewayclass-controller }%0A',
    },
  },
  'metrics-server': {
    version: '0.9.0',
    files: { 'components.yaml': 'https://github.com/kubernetes-sigs/metrics-server/releases/download/v0.9.0/components.yaml' },
  },
}

const usage = `bin/addons <folder> [--from <file>]

Downloads the manifests of ${Object.keys(published).join(', ')} into <folder>, pinned to a version each, and writes
<folder>/catalog.json with their checksums. Look at them, copy the folder to where the server reads it (a folder, or a
web server with HTTPS), and start the server with BERTH_ADDONS=<folder or address>.

--from: a JSON file of other sources, {"<add-on>": {"version": "…", "files": {"<name>": "<URL>"}}}; keda goes here too.
`

async function main([folder, option, file]: string[]): Promise<void> {
  if (!folder || folder.startsWith('-') || (option !== undefined && (option !== '--from' || !file))) throw new AppError('invalid', usage)
  const sources = file ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, Source>) : published
  const catalog: Record<string, { version: string; files: { path: string; sha256: string }[] }> = {}
  for (const [name, { version, files }] of Object.entries(sources)) {
    const listed = []
    for (const [part, url] of Object.entries(files)) {
      const answer = await fetch(url).catch((error: unknown) => {
        throw new AppError('unavailable', `${url} cannot be fetched: ${messageOf(error)}`)
      })
      if (!answer.ok) throw new AppError('unavailable', `${url} was answered with ${answer.status}.`)
      const text = Buffer.from(await answer.arrayBuffer())
      const path = `${name}-${version}/${part}`
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
      listed.push({ path, sha256: createHash('sha256').update(text).digest('hex') })
    }
    catalog[name] = { version, files: listed }
    process.stdout.write(`${name} ${version}\n`)
  }
  writeFileSync(join(folder, 'catalog.json'), `${JSON.stringify(catalog, null, 2)}\n`)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`)
  process.exit(1)
})
