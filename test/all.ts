import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { aptInstall, ensureDocker, ownDockerd } from '../src/setup/docker.ts'
import { ensureBaseImage, ensureEdgeImage } from '../src/setup/images.ts'
import { has } from '../src/setup/run.ts'

type Assertion = { status: string; fullName: string; failureMessages: string[] }
type Report = { testResults: { name: string; status: string; message: string; assertionResults: Assertion[] }[] }

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const counts = { passed: 0, failed: 0, skipped: 0 }
/** Said at the very end, where it is found. */
const secondTries: string[] = []
const root = resolve(import.meta.dirname, '..')
const cluster = (program: 'build' | 'up' | 'down'): string => join(root, 'test/cluster', program)

/** What `test/cluster` needs of Debian: the program that tells whether it is there, and its package. */
const packages: [string, string][] = [
  ['containerd', 'containerd'],
  ['runc', 'runc'],
  ['iptables', 'iptables'],
  ['nft', 'nftables'],
  ['busybox', 'busybox-static'],
  ['openssl', 'openssl'],
  ['curl', 'curl'],
  ['jq', 'jq'],
  ['mmdebstrap', 'mmdebstrap'],
]

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

/** A real Kubernetes: the given one, or one started here (compiled once per machine). True where there is one. */
async function prepareCluster(): Promise<boolean> {
  if (process.env['KUBECONFIG_FOR_TESTS']) return true
  if (!has('go') || !has('kubectl') || process.getuid?.() !== 0) {
    say('Kubernetes: its suites are skipped: they need Go, kubectl and root, or a cluster of yours in KUBECONFIG_FOR_TESTS')
    counts.skipped++
    return false
  }
  const missing = packages.filter(([program]) => !has(program)).map(([, name]) => name)
  const plugins = existsSync('/usr/lib/cni/bridge') ? [] : ['containernetworking-plugins']
  if (missing.length + plugins.length > 0) await aptInstall([...missing, ...plugins], say)
  say('Kubernetes: starting a cluster (on a new machine it is compiled first, which takes some 25 minutes)')
  await run(cluster('down'), [])
  // Berth brings these two onto it by itself.
  if (!(await run(cluster('build'), ['core', 'certs', 'keda']))) throw new Error('cert-manager and KEDA could not be compiled: see above')
  if (!(await run(cluster('up'), ['--with', 'gateway,storage,build,kwok'])))
    throw new Error('the Kubernetes cluster could not be started: see above')
  return true
}

async function checks(): Promise<void> {
  for (const name of ['format', 'lint', 'types', 'layers', 'dead']) {
    const good = await run('npm', ['run', '--silent', `check:${name}`])
    say(`check ${name}: ${good ? 'passed' : 'FAILED'}`)
    counts[good ? 'passed' : 'failed']++
  }
}

/** Runs all suites. What fails is run once more, alone: whether it fails again is what its finder needs to know, and that it needed a second try is said. */
async function tests(home: string, environment: Record<string, string>): Promise<void> {
  const { testResults } = await suites('all', [], { home, environment })
  const failed = [...new Set(testResults.filter((one) => one.status === 'failed').map((one) => relative(root, one.name)))]
  count({ testResults }, (file) => !failed.includes(relative(root, file)))
  if (failed.length === 0) return
  say(`\nFailed, and run once more: ${failed.join(', ')}`)
  count(await suites('again', ['--no-file-parallelism', ...failed], { home, environment }), () => true)
  secondTries.push(...testResults.flatMap(reasons))
}

async function suites(name: string, argv: string[], of: { home: string; environment: Record<string, string> }): Promise<Report> {
  const file = join(of.home, `${name}.json`)
  const good = await run('vitest', ['run', ...argv, '--reporter=verbose', '--reporter=json', `--outputFile.json=${file}`], of.environment)
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report
  if (!good && report.testResults.every((one) => one.status !== 'failed')) {
    say('FAILED: something went wrong outside of any test, see above')
    counts.failed++
  }
  return report
}

/** What failed in a file, and why, each in a few lines. */
const reasons = ({ name, status, message, assertionResults }: Report['testResults'][number]): string[] => {
  const found = assertionResults.filter((one) => one.status === 'failed').map((one) => [one.fullName, ...one.failureMessages].join('\n'))
  return status === 'failed' ? (found.length > 0 ? found : [message]).map((one) => `${relative(root, name)}: ${one.slice(0, 1500)}`) : []
}

function count(all: Report, counted: (file: string) => boolean): void {
  for (const { status, assertionResults } of all.testResults.filter((one) => counted(one.name))) {
    for (const one of assertionResults) counts[one.status === 'passed' ? 'passed' : one.status === 'failed' ? 'failed' : 'skipped']++
    // What comes before the tests failed: they are skipped then.
    if (status === 'failed' && assertionResults.every((one) => one.status !== 'failed')) counts.failed++
  }
}

const home = mkdtempSync(join(tmpdir(), 'berth-all-'))
const begun = Date.now()
let hasCluster = false
try {
  await prepare(home)
  ;[hasCluster] = await Promise.all([prepareCluster(), checks()])
  await tests(home, { ...(process.argv.includes('--long') ? { LONG: '1' } : {}), ...(hasCluster ? {} : { CLUSTER: 'none' }) })
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  counts.failed++
} finally {
  const started = ownDockerd(home)
  if (started !== undefined) process.kill(started, 'SIGTERM')
  rmSync(home, { recursive: true, force: true })
  if (hasCluster && !process.env['KUBECONFIG_FOR_TESTS']) await run(cluster('down'), [])
}
for (const one of secondTries) say(`\nNEEDED A SECOND TRY, a bug to find: ${one}`)
say(`\nTook ${Math.round((Date.now() - begun) / 1000)} s`)
say(`${counts.passed} passed, ${counts.failed} failed${counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''}`)
process.exit(counts.failed > 0 ? 1 : 0)
