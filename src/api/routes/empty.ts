import { z } from 'zod'
import { results, route, type Api } from '../route.ts'

const nothing = results(z.looseObject({}))

/** Empty, for whoever may see the parent. */
const none = (_parent: object) => ({ results: [] })

/** Lists that clients also ask for and that have nothing in them here. */
export function emptyRoutes(api: Api): void {
  const tag = 'Not offered here'
  for (const noun of ['job', 'database', 'helm', 'terraform'] as const) {
    route(api, `GET /environment/:environmentId/${noun}`, {
      summary: `List ${noun}s: none`,
      tag,
      answer: nothing,
      run: async ({ find, params }) => none(await find.environment(params['environmentId'] ?? '', 'read')),
    })
    route(api, `GET /environment/:environmentId/${noun}/status`, {
      summary: `List the status of ${noun}s: none`,
      tag,
      answer: nothing,
      run: async ({ find, params }) => none(await find.environment(params['environmentId'] ?? '', 'read')),
    })
  }
  for (const [noun, kind] of [
    ['application', 'git'],
    ['container', 'image'],
  ] as const)
    for (const list of noun === 'application' ? ['customDomain', 'deploymentRestriction'] : ['customDomain'])
      route(api, `GET /${noun}/:${noun}Id/${list}`, {
        summary: `List ${list}s: none yet`,
        tag,
        answer: nothing,
        run: async ({ find, params }) => none(await find.application(params[`${noun}Id`] ?? '', 'read', kind)),
      })
  for (const list of ['gitToken', 'annotationsGroups', 'labelsGroups', 'webhook'])
    route(api, `GET /organization/:organizationId/${list}`, {
      summary: `List ${list}: none yet`,
      tag,
      answer: nothing,
      run: async ({ find, params }) => none(await find.organization(params['organizationId'] ?? '', 'read')),
    })
}
