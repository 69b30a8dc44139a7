import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aptInstall, ensureDocker, ownDockerd } from '../src/setup/docker.ts'
import { ensureBaseImage, ensureEdgeImage } from '../src/setup/images.ts'
import { has } from '../src/setup/run.ts'

type Report = {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { status: string; assertionResults: unknown[]; name: string; message: string }[]
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const counts = { passed: 0, failed: 0, skipped: 0 }

/** Runs a program with its output shown; true when it ended well. */
function run(program: string, argv: string[], environment: Record<string, string> = {}): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, argv, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, npm_config_loglevel: 'error', ...environment },
    })
    child.once('error', () => resolve(false))
    child.once('close', (code) => resolve(code === 0))
  })
}

/** Real parts: a Docker Engine, Envoy, a base image, a registry, git. */
async function prepare(home: string): Promise<void> {
  const at = { socket: '/var/run/docker.sock', home }
  say(`Docker Engine: ${await ensureDocker(at, say)}`)
  say(`Base image: ${await ensureBaseImage(at, say)}`)
  say(`Edge image: ${await ensureEdgeImage(at, 'berth-edge:1.40.0', say)}`)
  if (!has('docker-registry')) await aptInstall(['docker-registry'], say)
}

async function checks(): Promise<void> {
  for (const name of ['format', 'lint', 'types', 'layers', 'dead']) {
    const good = await run('npm', ['run', '--silent', `check:${name}`])
    say(`check ${name}: ${good ? 'passed' : 'FAILED'}`)
    counts[good ? 'passed' : 'failed']++
  }
}

async function tests(home: string, long: boolean): Promise<void> {
  const file = join(home, 'report.json')
  await run('vitest', ['run', '--reporter=verbose', '--reporter=json', `--outputFile.json=${file}`], long ? { LONG: '1' } : {})
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report
  counts.passed += report.numPassedTests
  counts.failed +=
    report.numFailedTests + report.testResults.filter((one) => one.status === 'failed' && one.assertionResults.length === 0).length
  counts.skipped += report.numPendingTests + report.numTodoTests
}

const home = mkdtempSync(join(tmpdir(), 'berth-all-'))
const begun = Date.now()
try {
  await prepare(home)
  await checks()
  await tests(home, process.argv.includes('--long'))
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  counts.failed++
} finally {
  const started = ownDockerd(home)
  if (started !== undefined) process.kill(started, 'SIGTERM')
  rmSync(home, { recursive: true, force: true })
}
say(`\nTook ${Math.round((Date.now() - begun) / 1000)} s`)
say(`${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`)
process.exit(counts.failed > 0 ? 1 : 0)
