import { z } from 'zod'
import { requestDeployment } from '../../deploy/request.ts'
import type { Application } from '../../model/application.ts'
import { AppError } from '../../model/error.ts'
import { canonical } from '../../release/digest.ts'
import { createApplication, editApplication, listApplications } from '../../store/application.ts'
import { defaultAdvancedSettings, mergeAdvancedSettings, settingsOf, type AdvancedSettings } from '../advanced-settings.ts'
import { checkAgainst, ownRepositoryFor } from '../check-service.ts'
import { factsFor } from '../facts.ts'
import { parseService } from '../parse-service.ts'
import { edgeOf, linksOf, ownEdge } from '../present/link.ts'
import { presentService } from '../present/service.ts'
import { results, route, type Api, type Call } from '../route.ts'
import {
  applicationEditRequest,
  applicationRequest,
  applicationResponse,
  containerRequest,
  containerResponse,
  serviceResponse,
  type ServiceRequest,
} from '../schema/service.ts'

/** The two spellings of one noun. */
const spellings = [
  {
    kind: 'git',
    noun: 'application',
    id: 'applicationId',
    title: 'Application',
    create: applicationRequest,
    edit: applicationEditRequest,
    shape: applicationResponse,
  },
  {
    kind: 'image',
    noun: 'container',
    id: 'containerId',
    title: 'Container',
    create: containerRequest,
    edit: containerRequest,
    shape: containerResponse,
  },
] as const

export const linkShape = z.object({
  service_id: z.string(),
  service_type: z.string(),
  url: z.string(),
  internal_port: z.number(),
  external_port: z.number(),
  is_qovery_domain: z.boolean(),
  is_default: z.boolean(),
})

export function serviceRoutes(api: Api): void {
  for (const spelling of spellings) {
    crud(api, spelling)
    settingRoutes(api, spelling)
  }
  const { db } = api.deps
  route(api, 'GET /environment/:environmentId/services', {
    summary: 'List every service of an environment',
    tag: 'Environments',
    answer: results(serviceResponse),
    run: async ({ find, params }) => {
      const applications = await listApplications(db, { environmentId: (await find.environment(params['environmentId'] ?? '', 'read')).id })
      const facts = await factsFor(db, applications)
      return { results: applications.map((one) => presentService(one, facts)) }
    },
  })
  route(api, 'GET /environment/:environmentId/link', {
    summary: 'List the links of every service of an environment',
    tag: 'Environments',
    answer: results(linkShape),
    run: async ({ find, params }) => {
      const environment = await find.environment(params['environmentId'] ?? '', 'read')
      const at = edgeOf(environment, ownEdge(api))
      return { results: (await listApplications(db, { environmentId: environment.id })).flatMap((one) => linksOf(one, at)) }
    },
  })
}

type Spelling = (typeof spellings)[number]

function crud(api: Api, { kind, noun, id, title, create, edit, shape }: Spelling): void {
  const { db } = api.deps
  const tag = `${title}s`
  const answer = shape as z.ZodType
  const present = async (application: Application) => presentService(application, await factsFor(db, [application]))
  route(api, `GET /environment/:environmentId/${noun}`, {
    summary: `List ${noun}s`,
    tag,
    query: z.object({ toUpdate: z.string().optional() }),
    answer: results(answer),
    run: async ({ find, params }) => {
      const environment = await find.environment(params['environmentId'] ?? '', 'read')
      const applications = (await listApplications(db, { environmentId: environment.id })).filter((one) => one.spec.source.kind === kind)
      const facts = await factsFor(db, applications)
      return { results: applications.map((one) => presentService(one, facts)) }
    },
  })
  route(api, `POST /environment/:environmentId/${noun}`, {
    summary: `Create a ${noun === 'application' ? 'n application from Git' : 'container from an image'}`.replace('a n ', 'an '),
    tag,
    body: create as z.ZodType<ServiceRequest>,
    status: 201,
    answer,
    run: async ({ actor, find, params, body, transaction }) => {
      const environment = await find.environment(params['environmentId'] ?? '', 'write')
      if (environment.delete_requested_at) throw new AppError('conflict', 'The environment is being deleted.')
      return present(
        await transaction(async (tx) => {
          const fields = parseService(body, kind, null, await ownRepositoryFor(api, tx, environment, body))
          await checkAgainst(api, { find, environment, fields, kind })
          return createApplication(tx, actor, environment, fields)
        }),
      )
    },
  })
  route(api, `GET /${noun}/:${id}`, {
    summary: `Get a ${noun}`,
    tag,
    answer,
    run: async ({ find, params }) => present(await find.application(params[id] ?? '', 'read', kind)),
  })
  route(api, `PUT /${noun}/:${id}`, {
    summary: `Edit a ${noun}: what is absent is kept`,
    tag,
    body: edit as z.ZodType<ServiceRequest>,
    answer,
    run: async ({ actor, find, params, body, transaction }) => {
      const before = await find.application(params[id] ?? '', 'write', kind)
      const environment = await find.environment(before.environmentId, 'write')
      return present(
        await transaction(async (tx) => {
          const fields = parseService(body, kind, before, await ownRepositoryFor(api, tx, environment, body))
          await checkAgainst(api, { find, environment, fields, kind })
          return editApplication(
            tx,
            actor,
            { ...before, clusterId: environment.cluster_id },
            fields,
            canonical(fields.spec) !== canonical(before.spec),
          )
        }),
      )
    },
  })
  route(api, `DELETE /${noun}/:${id}`, {
    summary: `Delete a ${noun} with its volumes`,
    tag,
    query: z.object({ skipReconcile: z.string().optional() }),
    answer: null,
    run: async ({ actor, find, params, transaction }) => {
      const application = await find.application(params[id] ?? '', 'write', kind)
      const environment = await find.environment(application.environmentId, 'write')
      await transaction((tx) => requestDeployment(tx, actor, { environment, action: 'delete', wishes: [{ application }] }))
    },
  })
  route(api, `GET /${noun}/:${id}/link`, {
    summary: `List the links of a ${noun}`,
    tag,
    answer: results(linkShape),
    run: async ({ find, params }) => {
      const application = await find.application(params[id] ?? '', 'read', kind)
      return { results: linksOf(application, edgeOf(await find.environment(application.environmentId, 'read'), ownEdge(api))) }
    },
  })
}

function settingRoutes(api: Api, { kind, noun, id, title }: Spelling): void {
  const tag = `${title}s`
  const map = z.record(z.string(), z.unknown())
  const overrides = (application: Application) => (application.extras['advanced'] ?? {}) as AdvancedSettings
  const shown = (application: Application) => ({ ...defaultAdvancedSettings(kind), ...overrides(application) })
  const save = async (
    { actor, find, params, transaction }: Call<unknown, unknown>,
    change: (application: Application) => Record<string, unknown>,
  ) => {
    const before = await find.application(params[id] ?? '', 'write', kind)
    const environment = await find.environment(before.environmentId, 'write')
    const extras = { ...before.extras, ...change(before) }
    const spec = { ...before.spec, settings: settingsOf((extras['advanced'] ?? {}) as AdvancedSettings) }
    const meaning = canonical(spec) !== canonical(before.spec)
    return transaction((tx) =>
      editApplication(
        tx,
        actor,
        { ...before, clusterId: environment.cluster_id },
        { name: before.name, description: before.description, spec, extras },
        meaning,
      ),
    )
  }
  route(api, `GET /default${title}AdvancedSettings`, {
    summary: `Every advanced setting of ${noun}s with its default`,
    tag,
    answer: map,
    run: () => Promise.resolve(defaultAdvancedSettings(kind)),
  })
  route(api, `GET /${noun}/:${id}/advancedSettings`, {
    summary: 'Get the advanced settings',
    tag,
    answer: map,
    run: async ({ find, params }) => shown(await find.application(params[id] ?? '', 'read', kind)),
  })
  route(api, `PUT /${noun}/:${id}/advancedSettings`, {
    summary: 'Edit advanced settings: those not named are kept, null = back to the default',
    tag,
    body: map,
    status: 201,
    answer: map,
    run: async (call) => shown(await save(call, (before) => ({ advanced: mergeAdvancedSettings(kind, overrides(before), call.body) }))),
  })
  const network = z.object({ sticky_session: z.boolean() })
  route(api, `GET /${noun}/:${id}/network`, {
    summary: 'Get the network settings',
    tag,
    answer: network,
    run: async ({ find, params }) => ({
      sticky_session: (await find.application(params[id] ?? '', 'read', kind)).extras['sticky_session'] === true,
    }),
  })
  route(api, `PUT /${noun}/:${id}/network`, {
    summary: 'Edit the network settings',
    tag,
    body: z.strictObject({ sticky_session: z.boolean().nullish() }),
    status: 201,
    answer: network,
    run: async (call) => ({
      sticky_session: (await save(call, () => ({ sticky_session: call.body.sticky_session ?? false }))).extras['sticky_session'] === true,
    }),
  })
}
