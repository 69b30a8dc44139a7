import { z } from 'zod'
import { VALUE_LIMIT } from '../../model/variable.ts'
import { echoed } from '../route.ts'

const value = z.string().max(VALUE_LIMIT, `expected at most ${VALUE_LIMIT} characters`)
const description = z.string().max(255).nullish()
const readOnly = echoed(
  'id',
  'created_at',
  'updated_at',
  'scope',
  'variable_type',
  'service_id',
  'service_name',
  'service_type',
  'owned_by',
  'overridden_variable',
  'aliased_variable',
  'overridden_secret',
  'aliased_secret',
)
const later = {
  mount_path: z.string().nullish(),
  enable_interpolation_in_file: z.boolean().nullish(),
  secret_manager_access_id: z.string().nullish(),
}

export const createRequest = z.strictObject({
  key: z.string(),
  value,
  is_secret: z.boolean(),
  variable_scope: z.enum(['APPLICATION', 'CONTAINER', 'ENVIRONMENT', 'PROJECT']),
  variable_parent_id: z.string(),
  description,
  ...later,
  ...readOnly,
})
export const editRequest = z.strictObject({
  key: z.string(),
  value: value.nullish(),
  description,
  ...later,
  ...readOnly,
  ...echoed('is_secret'),
})
export const oldRequest = z.strictObject({ key: z.string(), value: value.nullish(), description, ...later, ...readOnly })

const common = {
  id: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  key: z.string(),
  mount_path: z.string().nullable(),
  scope: z.string(),
  variable_type: z.string(),
  service_id: z.string().optional(),
  service_name: z.string().optional(),
  service_type: z.string().optional(),
  owned_by: z.string(),
  description: z.string(),
  enable_interpolation_in_file: z.boolean(),
}
export const variableShape = z.object({ ...common, value: z.string().nullable(), is_secret: z.boolean() })
export const oldVariable = z.object({ ...common, value: z.string() })
const { mount_path: _file, ...secretFields } = common
export const oldSecret = z.object(secretFields)
export type Shown = z.output<typeof variableShape>
