import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { compiled } from './cluster.ts'

/** What a catalogue has of a component of the test cluster: its definitions, and what runs it (`test/cluster/<component>/<component>.yaml`). */
export function manifestsOf(component: 'certs' | 'keda'): { definitions: string; parts: string } {
  const folder = compiled(component)
  const crds = readdirSync(join(folder, 'crds')).filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')
  const values: Record<string, string> = { tools_image: 'localhost/tools:1', gateway_api: 'true', [`${component}_bin`]: folder }
  const parts = readFileSync(resolve(import.meta.dirname, `../cluster/${component}/${component}.yaml`), 'utf8').replace(
    /@(\w+)@/g,
    (_, name: string) => values[name] ?? '',
  )
  const webhooks = join(folder, 'validation_webhooks.yaml')
  return {
    definitions: crds.map((name) => readFileSync(join(folder, 'crds', name), 'utf8')).join('\n---\n'),
    parts: existsSync(webhooks) ? `${parts}\n---\n${readFileSync(webhooks, 'utf8')}` : parts,
  }
}

/** Writes a catalogue of one add-on; `sums` are those of the files unless given otherwise. */
export function publish(
  folder: string,
  of: { name: string; version: string; files: Record<string, string>; sums?: Record<string, string> },
): void {
  mkdirSync(join(folder, of.version), { recursive: true })
  const files = Object.entries(of.files).map(([name, text]) => {
    writeFileSync(join(folder, of.version, name), text)
    return { path: `${of.version}/${name}`, sha256: of.sums?.[name] ?? createHash('sha256').update(text).digest('hex') }
  })
  writeFileSync(join(folder, 'catalog.json'), JSON.stringify({ [of.name]: { version: of.version, files } }))
}
