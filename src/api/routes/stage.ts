import { z } from 'zod'
import { AppError } from '../../model/error.ts'
import { listApplications, placeInStage } from '../../store/application.ts'
import type { Db, Tx } from '../../store/database.ts'
import { createStage, deleteStage, editStage, listStages, moveStage } from '../../store/stage.ts'
import { serviceTypeOf } from '../present/service.ts'
import { echoed, results, route, type Api } from '../route.ts'

const request = z.strictObject({
  name: z.string().trim().min(1).max(200),
  description: z.string().max(2000).nullish(),
  ...echoed('id', 'created_at', 'updated_at', 'environment', 'deployment_order', 'services'),
})
const service = z.object({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  service_id: z.string(),
  service_type: z.string(),
  is_skipped: z.boolean(),
})
const shape = z.object({
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  environment: z.object({ id: z.string() }),
  name: z.string(),
  description: z.string(),
  deployment_order: z.number(),
  services: z.array(service),
})

async function presentStages(db: Db | Tx, environmentId: string) {
  const [stages, applications] = await Promise.all([listStages(db, environmentId), listApplications(db, { environmentId })])
  return stages.map((stage) => ({
    id: stage.id,
    created_at: stage.created_at.toISOString(),
    updated_at: stage.updated_at.toISOString(),
    environment: { id: environmentId },
    name: stage.name,
    description: stage.description,
    deployment_order: stage.position,
    services: applications
      .filter((one) => one.stageId === stage.id)
      .map((one) => ({
        id: one.id,
        created_at: one.createdAt.toISOString(),
        updated_at: one.updatedAt.toISOString(),
        service_id: one.id,
        service_type: serviceTypeOf(one),
        is_skipped: one.skipped,
      })),
  }))
}

async function presentStage(db: Db | Tx, environmentId: string, id: string) {
  const found = (await presentStages(db, environmentId)).find((stage) => stage.id === id)
  if (!found) throw new TypeError('the stage is gone')
  return found
}

export function stageRoutes(api: Api): void {
  const tag = 'Deployment stages'
  const { db } = api.deps
  route(api, 'GET /environment/:environmentId/deploymentStage', {
    summary: 'List the stages of an environment, in their order',
    tag,
    answer: results(shape),
    run: async ({ find, params }) => ({
      results: await presentStages(db, (await find.environment(params['environmentId'] ?? '', 'read')).id),
    }),
  })
  route(api, 'POST /environment/:environmentId/deploymentStage', {
    summary: 'Create a stage after the last one',
    tag,
    body: request,
    answer: shape,
    run: async ({ actor, find, params, body, transaction }) => {
      const environment = await find.environment(params['environmentId'] ?? '', 'write')
      return transaction(async (tx) =>
        presentStage(
          tx,
          environment.id,
          (await createStage(tx, actor, environment, { name: body.name, description: body.description ?? '' })).id,
        ),
      )
    },
  })
  route(api, 'GET /deploymentStage/:deploymentStageId', {
    summary: 'Get a stage',
    tag,
    answer: shape,
    run: async ({ find, params }) => {
      const stage = await find.stage(params['deploymentStageId'] ?? '', 'read')
      return presentStage(db, stage.environment_id, stage.id)
    },
  })
  route(api, 'PUT /deploymentStage/:deploymentStageId', {
    summary: 'Edit a stage',
    tag,
    body: request,
    answer: shape,
    run: async ({ actor, find, params, body, transaction }) => {
      const stage = await find.stage(params['deploymentStageId'] ?? '', 'write')
      return transaction(async (tx) =>
        presentStage(
          tx,
          stage.environment_id,
          (await editStage(tx, actor, stage.id, { name: body.name, description: body.description ?? stage.description })).id,
        ),
      )
    },
  })
  route(api, 'DELETE /deploymentStage/:deploymentStageId', {
    summary: 'Delete an empty stage',
    tag,
    answer: null,
    run: async ({ actor, find, params, transaction }) => {
      const stage = await find.stage(params['deploymentStageId'] ?? '', 'write')
      await transaction((tx) => deleteStage(tx, actor, stage.id))
    },
  })
  for (const side of ['before', 'after'] as const)
    route(api, `PUT /deploymentStage/:deploymentStageId/move${side === 'before' ? 'Before' : 'After'}/:stageId`, {
      summary: `Move a stage ${side} another one`,
      tag,
      answer: results(shape),
      run: async ({ actor, find, params, transaction }) => {
        const [stage, other] = [
          await find.stage(params['deploymentStageId'] ?? '', 'write'),
          await find.stage(params['stageId'] ?? '', 'write'),
        ]
        return transaction(async (tx) => {
          await moveStage(tx, actor, stage.id, { id: other.id, side })
          return { results: await presentStages(tx, stage.environment_id) }
        })
      },
    })
  route(api, 'PUT /deploymentStage/:deploymentStageId/service/:serviceId', {
    summary: 'Put a service into a stage',
    tag,
    body: z.strictObject({ is_skipped: z.boolean().nullish() }).nullish(),
    answer: results(shape),
    run: async ({ actor, find, params, body, transaction }) => {
      const [stage, application] = [
        await find.stage(params['deploymentStageId'] ?? '', 'write'),
        await find.application(params['serviceId'] ?? '', 'write'),
      ]
      return transaction(async (tx) => {
        if (stage.environment_id !== application.environmentId)
          throw new AppError('invalid', 'expected a stage of the environment of the service')
        await placeInStage(tx, actor, application, stage, body?.is_skipped ?? application.skipped)
        return { results: await presentStages(tx, stage.environment_id) }
      })
    },
  })
  route(api, 'GET /service/:serviceId/deploymentStage', {
    summary: 'Get the stage of a service',
    tag,
    answer: shape,
    run: async ({ find, params }) => {
      const application = await find.application(params['serviceId'] ?? '', 'read')
      return presentStage(db, application.environmentId, application.stageId)
    },
  })
}
