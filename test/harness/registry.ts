import { hashSync } from 'bcryptjs'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, until, workFolder } from './server.ts'

export type Registry = { port: number; stop: () => void; setPassword: (password: string) => void }

/** A real registry (Debian's docker-registry), empty, without TLS, on loopback unless it is to be reached from pods; open, or for one user. */
export async function startRegistry(address = '127.0.0.1', user?: { name: string; password: string }): Promise<Registry> {
  const port = await freePort()
  const folder = workFolder(`registry-${port}`)
  writeFileSync(
    join(folder, 'config.yml'),
    `version: 0.1\nstorage: {filesystem: {rootdirectory: ${folder}/data}, delete: {enabled: true}}\nhttp: {addr: ${address}:${port}}\n${
      user ? `auth: {htpasswd: {realm: test, path: ${folder}/htpasswd}}\n` : ''
    }`,
  )
  const setPassword = (password: string): void => writeFileSync(join(folder, 'htpasswd'), `${user?.name}:${hashSync(password, 4)}\n`)
  if (user) setPassword(user.password)
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: 'ignore' })
  await until('the registry to answer', 20, () =>
    fetch(`http://${address}:${port}/v2/`).then(
      (answer) => answer.ok || answer.status === 401,
      () => false,
    ),
  )
  return { port, stop: () => void child.kill(), setPassword }
}
