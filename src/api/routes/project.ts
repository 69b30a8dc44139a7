import { z } from 'zod'
import { AppError } from '../../model/error.ts'
import { createProject, deleteProject, editProject, listProjects } from '../../store/project.ts'
import { echoed, results, route, type Api } from '../route.ts'

const request = z.strictObject({
  name: z.string().trim().min(1).max(200),
  description: z.string().max(10_000).nullish(),
  ...echoed('id', 'created_at', 'updated_at', 'organization', 'associated_environments_count'),
})
const shape = z.object({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  name: z.string(),
  description: z.string(),
  associated_environments_count: z.number(),
  organization: z.object({ id: z.string() }),
})

type Row = Awaited<ReturnType<typeof listProjects>>[number]
const present = (row: Row) => ({
  id: row.id,
  created_at: row.created_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
  name: row.name,
  description: row.description,
  associated_environments_count: row.environments,
  organization: { id: row.organization_id },
})

export function projectRoutes(api: Api): void {
  const tag = 'Projects'
  route(api, 'GET /organization/:organizationId/project', {
    summary: 'List projects',
    tag,
    answer: results(shape),
    run: async ({ find, params }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'read')
      return { results: (await listProjects(api.deps.db, id)).map(present) }
    },
  })
  route(api, 'POST /organization/:organizationId/project', {
    summary: 'Create a project',
    tag,
    body: request,
    answer: shape,
    run: async ({ actor, find, params, body, transaction }) => {
      const { id } = await find.organization(params['organizationId'] ?? '', 'write')
      return present(await transaction((tx) => createProject(tx, actor, id, { name: body.name, description: body.description ?? '' })))
    },
  })
  route(api, 'GET /project/:projectId', {
    summary: 'Get a project',
    tag,
    answer: shape,
    run: async ({ find, params }) => present(await find.project(params['projectId'] ?? '', 'read')),
  })
  route(api, 'PUT /project/:projectId', {
    summary: 'Edit a project',
    tag,
    body: request,
    answer: shape,
    run: async ({ actor, find, params, body, transaction }) => {
      const project = await find.project(params['projectId'] ?? '', 'write')
      return present(
        await transaction((tx) =>
          editProject(tx, actor, project.id, { name: body.name, description: body.description ?? project.description }),
        ),
      )
    },
  })
  route(api, 'DELETE /project/:projectId', {
    summary: 'Delete a project',
    tag,
    answer: null,
    run: async ({ actor, find, params, transaction }) => {
      const project = await find.project(params['projectId'] ?? '', 'administer')
      if (project.environments > 0) throw new AppError('conflict', 'The project still has environments: delete them first.')
      await transaction((tx) => deleteProject(tx, actor, project.id))
    },
  })
}
