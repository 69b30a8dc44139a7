import type { Application } from '../../model/application.ts'
import type { Scope, Variable } from '../../model/variable.ts'
import type { BuiltIn } from '../../release/built-in.ts'
import type { Shown } from '../schema/variable.ts'
import { serviceTypeOf } from './service.ts'

const scopeName = (scope: Scope, application: Application | null): string =>
  scope === 'application' ? (application ? serviceTypeOf(application) : 'APPLICATION') : scope.toUpperCase()

export function presentVariable(variable: Variable, application: Application | null): Shown {
  return {
    id: variable.id,
    created_at: variable.createdAt.toISOString(),
    updated_at: variable.updatedAt.toISOString(),
    key: variable.key,
    value: variable.value,
    mount_path: null,
    scope: scopeName(variable.scope, application),
    variable_type: 'VALUE',
    ...(variable.scope === 'application' && application
      ? { service_id: application.id, service_name: application.name, service_type: serviceTypeOf(application) }
      : {}),
    owned_by: 'USER',
    description: variable.description,
    enable_interpolation_in_file: false,
    is_secret: variable.secret !== null,
  }
}

/** Built-in variables have no row; their id is made of the parent's and the key, so that it stays the same. */
export function presentBuiltIn(one: BuiltIn, parentId: string): Shown {
  const described = typeof one.of === 'object' ? one.of.application : null
  const hash = Array.from(one.key)
    .reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, 7)
    .toString(16)
    .padStart(8, '0')
  return {
    id: `${parentId.slice(0, 24)}${hash}${parentId.slice(32)}`,
    created_at: new Date(0).toISOString(),
    updated_at: new Date(0).toISOString(),
    key: one.key,
    value: one.value,
    mount_path: null,
    scope: 'BUILT_IN',
    variable_type: 'BUILT_IN',
    ...(described ? { service_id: described.id, service_name: described.name, service_type: serviceTypeOf(described) } : {}),
    owned_by: 'QOVERY',
    description: '',
    enable_interpolation_in_file: false,
    is_secret: false,
  }
}
