import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generatedDocuments } from '../harness/documents.ts'
import { TestServer } from '../harness/server.ts'

const root = resolve(import.meta.dirname, '../..')
let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(() => server.remove())

describe('documents', () => {
  test('that are made of the code are up to date (npm run generate)', async () => {
    for (const [path, text] of Object.entries(await generatedDocuments(server)))
      expect(readFileSync(resolve(root, path), 'utf8'), path).toBe(text)
  })

  test('name only commands and options that exist', async () => {
    const reference = (await generatedDocuments(server))['docs/reference/cli.md'] ?? ''
    const pages = ['README.md', ...readdirSync(resolve(root, 'docs/guide')).map((name) => `docs/guide/${name}`)]
    const used = pages.flatMap((page) =>
      [...readFileSync(resolve(root, page), 'utf8').matchAll(/^\s*(?:bin\/)?berth ((?:[a-z]+ ?)+)((?: ?[^\n#]*)?)/gm)].map((match) => ({
        page,
        words: (match[1] ?? '').trim().split(' '),
        options: [...(match[2] ?? '').matchAll(/--[a-z]+/g)].map((option) => option[0]),
      })),
    )
    expect(used.length).toBeGreaterThan(10)
    for (const { page, words, options } of used) {
      const known = [3, 2, 1]
        .map((length) => `## berth ${words.slice(0, length).join(' ')}\n`)
        .find((heading) => reference.includes(heading))
      expect(known, `${page}: berth ${words.join(' ')}`).toBeDefined()
      const section = reference.slice(reference.indexOf(known ?? '')).split('\n## ')[0] ?? ''
      for (const option of options) expect(section, `${page}: ${known} ${option}`).toContain(option)
    }
  })

  test('link only to files that exist', () => {
    const pages = [
      'README.md',
      'ARCHITECTURE.md',
      'CONTRIBUTING.md',
      ...readdirSync(resolve(root, 'docs/guide')).map((name) => `docs/guide/${name}`),
    ]
    for (const page of pages)
      for (const [, target = ''] of readFileSync(resolve(root, page), 'utf8').matchAll(/\]\(((?!https?:|#)[^)#]+)/g))
        expect(existsSync(resolve(root, page, '..', target)), `${page}: ${target}`).toBe(true)
  })

  test('answers of the health endpoints need no token', async () => {
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/metrics'])
      expect((await fetch(server.client.apiUrl + path)).status, path).toBe(200)
    expect(await (await fetch(`${server.client.apiUrl}/metrics`)).text()).toContain('berth_deployments{state="queued"} 0')
  })
})
