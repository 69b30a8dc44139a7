import { mkdirSync } from 'node:fs'
import { join, posix } from 'node:path'
import { parseDockerfile, buildArguments, checkTarget } from '../build/dockerfile.ts'
import { buildKey } from '../build/key.ts'
import type { Application, GitSource, ImageSource } from '../model/application.ts'
import type { Wanted } from '../model/deployment.ts'
import { AppError } from '../model/error.ts'
import type { Commit } from '../model/git.ts'
import type { Image } from '../model/image.ts'
import type { Release } from '../model/release.ts'
import { Secret } from '../model/secret.ts'
import type { VariableValue } from '../model/variable.ts'
import { branchHead, describe, hasCommit, Mirror, removeFolder } from '../source/git/mirror.ts'
import { ensureOwnRepository } from '../source/git/own.ts'
import { checkedEntries, checkOut, readDockerfile, treeId } from '../source/git/tree.ts'
import { resolveTag } from '../source/registry/client.ts'
import { findRegistry } from '../store/registry.ts'
import { findRepositoryNode } from '../store/repository.ts'
import { findBuild, forgetBuild, recordBuild } from '../store/build.ts'
import { fingerprintOf, openSecret } from '../store/secret.ts'
import { credentialsOf } from './access.ts'
import type { ClusterAdapters, ClusterRow, Dependencies } from './dependencies.ts'

export type Making = {
  application: Application
  cluster: ClusterRow
  adapters: ClusterAdapters
  wanted: Wanted
  variables: Record<string, VariableValue>
  deploymentId: string
  signal: AbortSignal
  onLine: (line: string) => void
  /** Values that must not show in any line from here on. */
  hide: (values: string[]) => void
}

/** The image that a deployment runs: a commit built, or a tag resolved; both once. */
export async function makeImage(deps: Dependencies, making: Making): Promise<{ image: Image; commit: Commit | null }> {
  const { source } = making.application.spec
  return source.kind === 'git' ? buildCommit(deps, making, source) : { image: await resolveImage(deps, making, source), commit: null }
}

/** Whether an image is still there; null where nobody can tell without pulling it. */
export async function imageIsThere(adapters: ClusterAdapters, image: Image): Promise<boolean | null> {
  if (image.kind === 'local' || adapters.builder?.made(image)) return (await adapters.builder?.has(image)) ?? null
  return null
}

/** The image and commit that a deployment would run, without building: `image` null where it would be built. */
export async function wantedVersion(
  deps: Dependencies,
  application: Application,
  of: { wanted: Wanted; serving: Release | undefined },
): Promise<{ image: Image | null; commit: Commit | null; note: string | null }> {
  const { source } = application.spec
  const { serving, wanted } = of
  if (source.kind === 'image') {
    const { found, platform } = await resolved(deps, application, source, wanted.tag)
    return { image: { kind: 'registry', ...found, platform }, commit: null, note: null }
  }
  const { commit } = await fetchSource(deps, { application, wanted, signal: AbortSignal.timeout(60_000), onLine: () => undefined }, source)
  if (serving?.commit?.id === commit.id) return { image: serving.image, commit: serving.commit, note: null }
  return { image: null, commit, note: `Commit ${commit.id.slice(0, 12)} would be built first: ${commit.message}` }
}

async function resolved(deps: Dependencies, application: Application, source: ImageSource, wanted: string | null) {
  const registry = await findRegistry(deps.db, [application.organizationId], source.registryId)
  if (!registry) throw new AppError('invalid', 'The container registry of this application does not exist any more: choose another one.')
  const credentials = await credentialsOf(deps, registry)
  const found = await resolveTag(deps.egress, { registryUrl: registry.url, name: source.name, tag: wanted ?? source.tag, credentials })
  return { found, platform: `linux/${process.arch === 'arm64' ? 'arm64' : 'amd64'}` }
}

async function resolveImage(deps: Dependencies, making: Making, source: ImageSource): Promise<Image> {
  const { found, platform } = await resolved(deps, making.application, source, making.wanted.tag)
  making.onLine(`${source.name}:${making.wanted.tag ?? source.tag} is ${found.repository}@${found.digest}`)
  return { kind: 'registry', ...found, platform }
}

async function buildCommit(deps: Dependencies, making: Making, source: GitSource): Promise<{ image: Image; commit: Commit }> {
  const { builder } = making.adapters
  if (!builder)
    throw new AppError(
      'unsupported',
      `The cluster ${making.cluster.name} cannot build images: deploy an image instead, or use a cluster with a builder.`,
    )
  const { folder, commit } = await fetchSource(deps, making, source)
  making.onLine(`Commit ${commit.id.slice(0, 12)} by ${commit.author}: ${commit.message}`)
  const tree = await treeId(folder, commit.id, source.rootPath)
  const entries = await checkedEntries(folder, tree)
  const path = posix.normalize(source.dockerfilePath)
  const dockerfile = parseDockerfile(await readDockerfile(folder, entries, path))
  checkTarget(dockerfile, source.target)
  const inputs = await buildInputs(deps, making, dockerfile)
  const key = buildKey({
    tree,
    dockerfilePath: path,
    arguments: inputs.arguments,
    secrets: inputs.fingerprints,
    target: source.target,
    platform: process.arch,
    builder: 'docker-buildkit',
    bases: Object.fromEntries(await Promise.all(dockerfile.baseImages.map(async (base) => [base, await builder.identify(base)] as const))),
  })
  const noCache = making.application.spec.settings.build.noCache || inputs.arguments['QOVERY_DISABLE_BUILD_CACHE'] === 'true'
  const before = await findBuild(deps.db, making.cluster.id, key)
  if (before && !noCache && (await builder.has(before))) {
    making.onLine('The same source was built before: its image is used again')
    return { image: before, commit }
  }
  if (before) await forgetBuild(deps.db, making.cluster.id, key)
  const work = join(deps.folders.work, `${making.deploymentId}-${making.application.id.slice(0, 8)}`)
  try {
    mkdirSync(deps.folders.work, { recursive: true, mode: 0o700 })
    removeFolder(work)
    await checkOut(folder, tree, work)
    const { build } = making.application.spec.settings
    const image = await builder.build(
      {
        id: `build-${making.deploymentId}-${making.application.id.slice(0, 8)}`,
        folder: work,
        dockerfile: path,
        target: source.target,
        arguments: inputs.arguments,
        secrets: inputs.secrets,
        limits: { ...build, noCache },
        labels: { 'berth.application': making.application.id, 'berth.cluster': making.cluster.id, 'berth.commit': commit.id },
      },
      { signal: making.signal, onLine: making.onLine },
    )
    await recordBuild(deps.db, { organizationId: making.application.organizationId, clusterId: making.cluster.id, key, image })
    return { image, commit }
  } finally {
    removeFolder(work)
    removeFolder(`${work}.index`)
  }
}

type Fetching = Pick<Making, 'application' | 'wanted' | 'signal' | 'onLine'>

async function fetchSource(deps: Dependencies, making: Fetching, source: GitSource): Promise<{ folder: string; commit: Commit }> {
  const wanted = making.wanted.commit
  if (source.ownRepositoryId) {
    await checkHome(deps, source.ownRepositoryId)
    const folder = await ensureOwnRepository(deps.folders.git, source.ownRepositoryId)
    const id = wanted ?? (await branchHead(folder, source.branch))
    if (!id) throw new AppError('invalid', `Nothing was pushed to the branch ${source.branch} yet: run git push berth ${source.branch}.`)
    if (!(await hasCommit(folder, id))) throw new AppError('invalid', `The repository has no commit ${id}.`)
    return { folder, commit: await describe(folder, id) }
  }
  making.onLine(`Fetching ${source.url}, branch ${source.branch}`)
  const mirror = new Mirror(deps.folders.mirrors, { url: source.url, branch: source.branch }, deps.egress)
  return { folder: mirror.folder, commit: await mirror.fetch(wanted, making.signal) }
}

/** Pushed repositories are data of one node; only processes that share its folder can build from it. */
async function checkHome(deps: Dependencies, repositoryId: string): Promise<void> {
  const home = await findRepositoryNode(deps.db, repositoryId)
  if (home !== deps.node)
    throw new AppError(
      'unavailable',
      `The repository was pushed to the node ${home ?? '(none)'}, this is ${deps.node}: let both share BERTH_GIT_DIR and BERTH_NODE, or use a Git URL.`,
    )
}

async function buildInputs(deps: Dependencies, making: Making, dockerfile: ReturnType<typeof parseDockerfile>) {
  const { organizationId } = making.application
  const literals: Record<string, string> = {}
  const refs: Record<string, { id: string; version: number }> = {}
  for (const [key, value] of Object.entries(making.variables))
    if ('secret' in value) refs[key] = value.secret
    else literals[key] = value.literal
  const secrets: Record<string, Secret> = {}
  const fingerprints: Record<string, string> = {}
  for (const id of dockerfile.secretIds) {
    const ref = refs[id]
    if (!ref && literals[id] === undefined) continue
    const value = ref ? await openSecret(deps.db, deps.vault, organizationId, ref) : (literals[id] ?? '')
    if (ref) making.hide([value])
    secrets[id] = new Secret(value)
    fingerprints[id] = ref ? await fingerprintOf(deps.db, organizationId, ref) : value
  }
  return { arguments: buildArguments(dockerfile, { literals, secrets: Object.keys(refs) }), secrets, fingerprints }
}
