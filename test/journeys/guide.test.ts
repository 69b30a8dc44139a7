import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createHello, settled } from '../harness/deploy.ts'
import { Repository, remoteUrl } from '../harness/repository.ts'
import { TestServer } from '../harness/server.ts'

const root = resolve(import.meta.dirname, '../..')
const guide = resolve(root, 'docs/guide')

/** The commands of a page's shell blocks, without their comments. */
function commandsOf(page: string): string[] {
  const blocks = [...readFileSync(resolve(guide, page), 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? '')
  return blocks
    .flatMap((block) => block.split('\n').map((line) => line.replace(/\s+#.*$/, '').trim()))
    .filter((line) => /^(berth|git) /.test(line))
}

/** What a command needs that a page cannot give: a real commit, an address, an input, an end. */
function prepared(line: string, of: { commit: string; apiUrl: string }): { argv: string[]; input: string | null } {
  const [command = '', input] = line
    .replace('0123456789abcdef0123456789abcdef01234567', of.commit)
    .replace('https://berth.example.com', of.apiUrl)
    .replace(/ -f$/, '')
    .split(' < ')
  return { argv: command.split(' '), input: input ?? null }
}

describe("the guide's examples", () => {
  test.each(readdirSync(guide).filter((page) => commandsOf(page).length > 0))('in %s run as they are written', async (page) => {
    const server = await TestServer.start()
    try {
      const place = await server.place('memory')
      const repository = new Repository(`guide-${page}`, { Dockerfile: 'FROM scratch\nEXPOSE 3000\n' })
      const commands = commandsOf(page)
      if (!commands.some((line) => line.startsWith('berth app create shop'))) {
        const shop = await createHello(server.client, place.environmentId, { name: 'shop' })
        await repository.push(remoteUrl(server, place.environmentId, 'shop'))
        expect(await settled(server.client, shop.id)).toBe('DEPLOYED')
      }
      const commit = repository.git('rev-parse', 'HEAD').trim()
      for (const line of commands) {
        const { argv, input } = prepared(line, { commit, apiUrl: server.client.apiUrl })
        const ran = await run(argv, {
          server,
          cwd: repository.folder,
          input: input === null ? '' : input === 'token-file' ? server.token : 'x',
        })
        expect(ran, line).toMatchObject({ code: expected(line) })
      }
    } finally {
      await server.remove()
    }
  })
})

/** Examples that end otherwise than well on a page of their own, and why: nothing runs that could be canceled; the repository named is nobody's. */
const expected = (line: string): number => (line === 'berth app cancel' ? 6 : line.startsWith('berth app deploy shop --commit') ? 9 : 0)

function run(argv: string[], of: { server: TestServer; cwd: string; input: string }): Promise<{ code: number; out: string }> {
  const { server } = of
  const env = {
    ...server.environment,
    PATH: `${resolve(root, 'bin')}:${process.env['PATH'] ?? ''}`,
    BERTH_URL: server.client.apiUrl,
    BERTH_TOKEN: server.token,
    GIT_TERMINAL_PROMPT: '0',
  }
  return new Promise((done) => {
    const child = execFile(argv[0] ?? '', argv.slice(1), { cwd: of.cwd, env }, (error, out, err) =>
      done({ code: error ? Number(error.code) : 0, out: out + err }),
    )
    child.stdin?.end(of.input)
  })
}
