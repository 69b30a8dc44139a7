import { AppError } from '../model/error.ts'
import { isId } from '../model/id.ts'
import type { Client } from './client.ts'
import type { Context } from './context.ts'

export type Named = { id: string; name: string }
export type App = Named & {
  service_type: 'APPLICATION' | 'CONTAINER'
  environment: { id: string }
  git_repository?: { url: string; branch: string; deployed_commit_id?: string }
  image_name?: string
  tag?: string
  min_running_instances: number
  updated_at: string
}

/** One thing out of a list, by id or by name; the error lists what there is. */
export function pick<T extends Named>(all: T[], noun: string, wanted: string): T {
  const found = all.find((one) => one.id === wanted || one.name.toLowerCase() === wanted.toLowerCase())
  if (!found)
    throw new AppError(
      'not_found',
      `There is no ${noun} ${wanted}. ${all.length > 0 ? `There is: ${all.map((one) => one.name).join(', ')}.` : `There is none yet.`}`,
    )
  return found
}

export async function organizationOf(client: Client, context: Context): Promise<string> {
  if (context.organizationId) return context.organizationId
  const [first] = await client.list<Named>('/organization')
  if (!first)
    throw new AppError(
      'not_found',
      'You have no organization yet: run bin/up on the machine of Berth, add a cluster with berth cluster add, or ask its owner.',
    )
  return first.id
}

/** For the first thing of a new server: its organization is made where there is none yet. */
export async function ensureOrganization(client: Client, context: Context): Promise<string> {
  if (context.organizationId) return context.organizationId
  const [first] = await client.list<Named>('/organization')
  return (first ?? (await client.post<Named>('/organization', { name: 'berth', plan: 'FREE' }))).id
}

export async function projectOf(client: Client, context: Context, wanted?: string): Promise<string> {
  if (!wanted && context.projectId) return context.projectId
  const all = await client.list<Named>(`/organization/${await organizationOf(client, context)}/project`)
  if (wanted) return pick(all, 'project', wanted).id
  if (!all[0]) throw new AppError('not_found', 'There is no project yet: create one with berth project create <name>.')
  return all[0].id
}

export async function environmentOf(
  client: Client,
  context: Context,
  options: { environment?: string; project?: string },
): Promise<string> {
  if (!options.environment && !options.project && context.environmentId) return context.environmentId
  if (options.environment && isId(options.environment)) return options.environment
  const all = await client.list<Named>(`/project/${await projectOf(client, context, options.project)}/environment`)
  if (options.environment) return pick(all, 'environment', options.environment).id
  if (!all[0]) throw new AppError('not_found', 'There is no environment yet: create one with berth environment create <name>.')
  return all[0].id
}

export async function listApps(client: Client, environmentId: string): Promise<App[]> {
  return client.list<App>(`/environment/${environmentId}/services`)
}

/** Without a name: the only application of the environment. */
export async function appOf(client: Client, environmentId: string, wanted: string | undefined): Promise<App> {
  const all = await listApps(client, environmentId)
  if (wanted) return pick(all, 'application', wanted)
  if (all.length === 1 && all[0]) return all[0]
  throw new AppError(
    'invalid',
    all.length === 0
      ? 'There is no application in this environment yet: run berth init in a repository with a Dockerfile.'
      : `Which application? There is: ${all.map((one) => one.name).join(', ')}.`,
  )
}

export const pathOf = (app: App): string => `/${app.service_type.toLowerCase()}/${app.id}`
