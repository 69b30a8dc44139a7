import { z } from 'zod'
import { AppError, invalid } from '../../model/error.ts'
import { parseVariableKey, type Scope, type Variable } from '../../model/variable.ts'
import type { Application } from '../../model/application.ts'
import { neighbourhoodOf } from '../../deploy/release.ts'
import { builtInVariables } from '../../release/built-in.ts'
import { listApplications, touchApplications } from '../../store/application.ts'
import { recordEvent, type Actor } from '../../store/event.ts'
import { createVariable, deleteVariable, editVariable, listVariables } from '../../store/variable.ts'
import { presentBuiltIn, presentVariable } from '../present/variable.ts'
import { results, route, type Api, type Call } from '../route.ts'
import { createRequest, editRequest, oldRequest, oldSecret, oldVariable, variableShape, type Shown } from '../schema/variable.ts'

type Parent = {
  scope: Scope
  id: string
  organizationId: string
  application: Application | null
  environmentId: string | null
  projectId: string
}
export function variableRoutes(api: Api): void {
  generic(api)
  for (const noun of ['project', 'environment', 'application', 'container'] as const) perResource(api, noun)
}

async function parentOf(find: Call<unknown, unknown>['find'], noun: string, id: string, right: 'read' | 'write'): Promise<Parent> {
  if (noun === 'project') {
    const project = await find.project(id, right)
    return {
      scope: 'project',
      id: project.id,
      organizationId: project.organization_id,
      application: null,
      environmentId: null,
      projectId: project.id,
    }
  }
  if (noun === 'environment') {
    const row = await find.environment(id, right)
    return {
      scope: 'environment',
      id: row.id,
      organizationId: row.organization_id,
      application: null,
      environmentId: row.id,
      projectId: row.project_id,
    }
  }
  const application = await find.application(id, right, noun === 'service' ? undefined : noun === 'application' ? 'git' : 'image')
  const row = await find.environment(application.environmentId, 'read')
  return {
    scope: 'application',
    id: application.id,
    organizationId: application.organizationId,
    application,
    environmentId: row.id,
    projectId: row.project_id,
  }
}

/** Cumulative: what a service sees of its own, of its environment and project, and what is built in. */
async function visible(api: Api, parent: Parent): Promise<Shown[]> {
  const parents = [
    parent.projectId,
    ...(parent.environmentId ? [parent.environmentId] : []),
    ...(parent.application ? [parent.application.id] : []),
  ]
  const own = (await listVariables(api.deps.db, parents)).map((variable) => presentVariable(variable, parent.application))
  return [...own, ...(await builtIns(api, parent))]
}

async function builtIns(api: Api, parent: Parent): Promise<Shown[]> {
  if (!parent.environmentId) return [presentBuiltIn({ key: 'QOVERY_PROJECT_ID', value: parent.projectId, of: 'project' }, parent.id)]
  const around = await neighbourhoodOf(api.deps.db, parent.environmentId, api.deps.domain)
  const self = parent.application ?? (await listApplications(api.deps.db, { environmentId: parent.environmentId }))[0]
  if (!self) return [presentBuiltIn({ key: 'QOVERY_ENVIRONMENT_ID', value: parent.environmentId, of: 'environment' }, parent.id)]
  return builtInVariables(self, around)
    .filter((one) => parent.application !== null || one.of !== 'self')
    .map((one) => presentBuiltIn(one, parent.id))
}

function refuseLater(body: { mount_path?: string | null | undefined; secret_manager_access_id?: string | null | undefined }): void {
  if (body.mount_path) throw new AppError('unsupported', 'file variables are not supported yet', 'mount_path')
  if (body.secret_manager_access_id)
    throw new AppError('unsupported', 'external secret managers are not supported', 'secret_manager_access_id')
}

function checkedValue(text: string): string {
  if (text.includes('\u0000')) throw invalid('value', 'expected text without NUL characters')
  return text
}

async function add(
  api: Api,
  call: Call<unknown, unknown>,
  of: { parent: Parent; key: string; value: string; isSecret: boolean; description: string },
): Promise<Shown> {
  const { parent } = of
  const fields = { key: parseVariableKey(of.key, 'key'), value: checkedValue(of.value), isSecret: of.isSecret, description: of.description }
  return call.transaction(async (tx) => {
    const variable = await createVariable(
      tx,
      api.deps.vault,
      { organizationId: parent.organizationId, scope: parent.scope, parentId: parent.id },
      fields,
    )
    await touchApplications(tx, parent.scope, parent.id)
    await recordEvent(tx, call.actor, 'CREATE', eventTarget(variable))
    return presentVariable(variable, parent.application)
  })
}

async function change(
  api: Api,
  call: Call<unknown, unknown>,
  of: { variable: Variable; application: Application | null; key: string; value: string | null; description: string | null },
): Promise<Shown> {
  const { variable } = of
  return call.transaction(async (tx) => {
    const edited = await editVariable(tx, api.deps.vault, variable, {
      key: parseVariableKey(of.key, 'key'),
      value: of.value === null ? (variable.value ?? null) : checkedValue(of.value),
      description: of.description ?? variable.description,
    })
    await touchApplications(tx, variable.scope, variable.parentId)
    await recordEvent(tx, call.actor, 'UPDATE', eventTarget(edited))
    return presentVariable(edited, of.application)
  })
}

async function drop(call: Call<unknown, unknown>, variable: Variable): Promise<void> {
  await call.transaction(async (tx) => {
    await deleteVariable(tx, variable.id)
    await touchApplications(tx, variable.scope, variable.parentId)
    await recordEvent(tx, call.actor as Actor, 'DELETE', eventTarget(variable))
  })
}

const eventTarget = (variable: Variable) => ({
  kind: variable.secret ? 'SECRET' : 'VARIABLE',
  id: variable.id,
  name: variable.key,
  organizationId: variable.organizationId,
})

function generic(api: Api): void {
  const tag = 'Variables'
  const applicationOf = async (call: Call<unknown, unknown>, variable: Variable) =>
    variable.scope === 'application' ? call.find.application(variable.parentId, 'read') : null
  route(api, 'GET /variable', {
    summary: 'List the variables that a service, environment or project sees',
    tag,
    query: z.object({ parent_id: z.string(), scope: z.string(), is_secret: z.enum(['true', 'false']).optional() }),
    answer: results(variableShape),
    run: async ({ find, query }) => {
      const noun = { PROJECT: 'project', ENVIRONMENT: 'environment', APPLICATION: 'service', CONTAINER: 'service' }[query.scope]
      if (!noun) throw invalid('scope', `expected PROJECT, ENVIRONMENT, APPLICATION or CONTAINER, found ${JSON.stringify(query.scope)}`)
      const all = await visible(api, await parentOf(find, noun, query.parent_id, 'read'))
      return { results: all.filter((one) => query.is_secret === undefined || String(one.is_secret) === query.is_secret) }
    },
  })
  route(api, 'POST /variable', {
    summary: 'Create a variable or secret',
    tag,
    body: createRequest,
    status: 201,
    answer: variableShape,
    run: async (call) => {
      const { body } = call
      refuseLater(body)
      const noun = body.variable_scope === 'PROJECT' ? 'project' : body.variable_scope === 'ENVIRONMENT' ? 'environment' : 'service'
      return add(api, call, {
        parent: await parentOf(call.find, noun, body.variable_parent_id, 'write'),
        key: body.key,
        value: body.value,
        isSecret: body.is_secret,
        description: body.description ?? '',
      })
    },
  })
  route(api, 'PUT /variable/:variableId', {
    summary: "Edit a variable; a secret's value is kept when none is sent",
    tag,
    body: editRequest,
    answer: variableShape,
    run: async (call) => {
      refuseLater(call.body)
      const variable = await call.find.variable(call.params['variableId'] ?? '', 'write')
      return change(api, call, {
        variable,
        application: await applicationOf(call, variable),
        key: call.body.key,
        value: call.body.value ?? null,
        description: call.body.description ?? null,
      })
    },
  })
  route(api, 'DELETE /variable/:variableId', {
    summary: 'Delete a variable',
    tag,
    answer: null,
    run: async (call) => drop(call, await call.find.variable(call.params['variableId'] ?? '', 'write')),
  })
}

/** The older generation: variables and secrets apart, below each kind of parent. */
function perResource(api: Api, noun: 'project' | 'environment' | 'application' | 'container'): void {
  const tag = 'Variables'
  for (const [path, isSecret] of [
    ['environmentVariable', false],
    ['secret', true],
  ] as const) {
    const shape = (isSecret ? oldSecret : oldVariable) as z.ZodType
    const base = `/${noun}/:${noun}Id/${path}` as const
    const parent = (call: Call<unknown, unknown>, right: 'read' | 'write') =>
      parentOf(call.find, noun, call.params[`${noun}Id`] ?? '', right)
    const mine = async (call: Call<unknown, unknown>, of: Parent): Promise<Variable> => {
      const variable = await call.find.variable(call.params['variableId'] ?? '', 'write')
      if (variable.parentId !== of.id || (variable.secret !== null) !== isSecret)
        throw new AppError('not_found', `There is no variable ${variable.id} of its own here.`)
      return variable
    }
    route(api, `GET ${base}`, {
      summary: `List ${isSecret ? 'secrets' : 'variables'}`,
      tag,
      answer: results(shape),
      run: async (call) => ({ results: (await visible(api, await parent(call, 'read'))).filter((one) => one.is_secret === isSecret) }),
    })
    route(api, `POST ${base}`, {
      summary: `Create a ${isSecret ? 'secret' : 'variable'}`,
      tag,
      body: oldRequest,
      status: 201,
      answer: shape,
      run: async (call) => {
        refuseLater(call.body)
        return add(api, call, {
          parent: await parent(call, 'write'),
          key: call.body.key,
          value: call.body.value ?? '',
          isSecret,
          description: call.body.description ?? '',
        })
      },
    })
    route(api, `PUT ${base}/:variableId`, {
      summary: `Edit a ${isSecret ? 'secret' : 'variable'}`,
      tag,
      body: oldRequest,
      answer: shape,
      run: async (call) => {
        refuseLater(call.body)
        const of = await parent(call, 'write')
        return change(api, call, {
          variable: await mine(call, of),
          application: of.application,
          key: call.body.key,
          value: call.body.value ?? null,
          description: call.body.description ?? null,
        })
      },
    })
    route(api, `DELETE ${base}/:variableId`, {
      summary: `Delete a ${isSecret ? 'secret' : 'variable'}`,
      tag,
      answer: null,
      run: async (call) => drop(call, await mine(call, await parent(call, 'write'))),
    })
  }
}
