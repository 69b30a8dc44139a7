import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { generatedDocuments } from './harness/documents.ts'
import { TestServer } from './harness/server.ts'

const server = await TestServer.start()
for (const [path, text] of Object.entries(await generatedDocuments(server))) {
  const file = resolve(import.meta.dirname, '..', path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  process.stdout.write(`${path}\n`)
}
await server.remove()
