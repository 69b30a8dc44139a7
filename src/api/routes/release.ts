import { z } from 'zod'
import { imageIsThere } from '../../deploy/image.ts'
import { requestDeployment } from '../../deploy/request.ts'
import type { Application } from '../../model/application.ts'
import { AppError, notFound } from '../../model/error.ts'
import { referenceOf } from '../../model/image.ts'
import type { Release } from '../../model/release.ts'
import { diffReleases, notUndone } from '../../release/diff.ts'
import { findCluster } from '../../store/cluster.ts'
import { findRelease, findRevision, listApplicationReleases } from '../../store/release.ts'
import type { Finder } from '../find.ts'
import { statusesOf } from '../present/status.ts'
import { emptyBody, results, route, type Api } from '../route.ts'
import { status } from '../schema/status.ts'

/** Releases shown in one answer. */
const LIMIT = 100

const shape = z.object({
  id: z.string(),
  revision: z.number(),
  created_at: z.string(),
  image: z.string(),
  commit: z.object({ git_commit_id: z.string(), message: z.string(), author_name: z.string(), created_at: z.string() }).nullable(),
  is_serving: z.boolean(),
  /** Whether its image is still there; null where only pulling it would tell. */
  is_image_available: z.boolean().nullable(),
})
const diffShape = z.object({
  from: z.number().nullable(),
  to: z.number(),
  changes: z.array(z.string()),
  not_undone: z.array(z.string()),
  is_image_available: z.boolean().nullable(),
})

/** Beside the contract: every release of a service, what going back to one would undo, and going back. */
export function releaseRoutes(api: Api): void {
  for (const [noun, kind] of [
    ['application', 'git'],
    ['container', 'image'],
  ] as const) {
    const tag = 'Releases'
    const id = `${noun}Id`
    const base = `${noun}/:${id}/release`
    const at = async (find: Finder, params: Record<string, string>, right: 'read' | 'deploy') => {
      const application = await find.application(params[id] ?? '', right, kind)
      const wanted = params['revision'] ?? ''
      const release = /^\d{1,9}$/.test(wanted) ? await findRevision(api.deps.db, application.id, Number(wanted)) : undefined
      if (!release) throw notFound('release', wanted)
      return { application, release }
    }
    route(api, `GET /${base}`, {
      summary: `List the releases of a ${noun}, newest first`,
      tag,
      answer: results(shape),
      run: async ({ find, params }) => {
        const application = await find.application(params[id] ?? '', 'read', kind)
        const releases = await listApplicationReleases(api.deps.db, application.id, LIMIT)
        const there = await availability(api, find, application, releases)
        return { results: releases.map((release, index) => present(release, application, there[index] ?? null)) }
      },
    })
    route(api, `GET /${base}/:revision`, {
      summary: 'Get one release',
      tag,
      answer: shape,
      run: async ({ find, params }) => {
        const { application, release } = await at(find, params, 'read')
        return present(release, application, (await availability(api, find, application, [release]))[0] ?? null)
      },
    })
    route(api, `GET /${base}/:revision/diff`, {
      summary: 'What going back to a release would change of what serves now, and what not',
      tag,
      answer: diffShape,
      run: async ({ find, params }) => {
        const { application, release } = await at(find, params, 'read')
        const serving = application.servingReleaseId ? await findRelease(api.deps.db, application.servingReleaseId) : undefined
        return {
          from: serving?.revision ?? null,
          to: release.revision,
          changes: diffReleases(serving ?? null, release),
          not_undone: notUndone(serving ?? release, release),
          is_image_available: (await availability(api, find, application, [release]))[0] ?? null,
        }
      },
    })
    route(api, `POST /${base}/:revision/deploy`, {
      summary: 'Go back to a release: its image, configuration and variables together',
      tag,
      body: emptyBody,
      status: 202,
      answer: status,
      run: async ({ actor, find, params, transaction }) => {
        const { application, release } = await at(find, params, 'deploy')
        const [there] = await availability(api, find, application, [release])
        if (there === false)
          throw new AppError(
            'conflict',
            `The image of release ${release.revision} is not there any more: deploy its commit instead, which builds it again.`,
          )
        const environment = await find.environment(application.environmentId, 'deploy')
        const wishes = [{ application, wanted: { release: release.id } }]
        await transaction((tx) => requestDeployment(tx, actor, { environment, action: 'deploy', wishes }))
        return (await statusesOf(api.deps.db, [application]))[0]?.contract
      },
    })
  }
}

/** One look per image, however many releases run it. */
async function availability(api: Api, find: Finder, application: Application, releases: Release[]): Promise<(boolean | null)[]> {
  const environment = await find.environment(application.environmentId, 'read')
  const cluster = await findCluster(api.deps.db, [application.organizationId], environment.cluster_id)
  if (!cluster) return releases.map(() => null)
  const adapters = api.deps.adaptersOf(cluster)
  const looks = new Map<string, Promise<boolean | null>>()
  for (const { image } of releases) {
    const reference = referenceOf(image)
    if (!looks.has(reference))
      looks.set(
        reference,
        imageIsThere(adapters, image).catch(() => null),
      )
  }
  return Promise.all(releases.map(({ image }) => looks.get(referenceOf(image)) ?? Promise.resolve(null)))
}

const present = (release: Release, application: Application, isThere: boolean | null) => ({
  id: release.id,
  revision: release.revision,
  created_at: release.createdAt.toISOString(),
  image: referenceOf(release.image),
  commit: release.commit && {
    git_commit_id: release.commit.id,
    message: release.commit.message,
    author_name: release.commit.author,
    created_at: release.commit.at,
  },
  is_serving: application.presence === 'running' && application.servingReleaseId === release.id,
  is_image_available: isThere,
})
