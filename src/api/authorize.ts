import { AppError, notFound } from '../model/error.ts'
import type { Caller, Role } from '../store/account.ts'

export type Right = 'read' | 'write' | 'deploy' | 'administer'

const rights: Record<Role, Right[]> = {
  owner: ['read', 'write', 'deploy', 'administer'],
  admin: ['read', 'write', 'deploy', 'administer'],
  developer: ['read', 'write', 'deploy'],
  viewer: ['read'],
}

/** The one place that decides who may do what. What is not the caller's organization does not exist for them. */
export function authorize(caller: Caller, right: Right, resource: { noun: string; id: string; organizationId: string }): void {
  const role = caller.organizations.get(resource.organizationId)
  if (!role) throw notFound(resource.noun, resource.id)
  if (!rights[role].includes(right))
    throw new AppError('forbidden', `Your role (${role}) does not allow this: it needs the right to ${right}.`)
}
