import { z } from 'zod'

const stepMetric = z.object({ step_name: z.string(), status: z.string().optional(), duration_sec: z.number().optional() })

export const status = z.object({
  id: z.string(),
  state: z.string(),
  service_deployment_status: z.string(),
  last_deployment_date: z.string().optional(),
  is_part_last_deployment: z.boolean(),
  steps: z.object({ total_duration_sec: z.number().nullable(), total_computing_duration_sec: z.number(), details: z.array(stepMetric) }),
  execution_id: z.string().optional(),
  status_details: z.object({ action: z.string(), status: z.string(), sub_action: z.string() }),
  deployment_request_id: z.string().nullable(),
  deployment_requests_count: z.number(),
})
export type Status = z.output<typeof status>

export const environmentStatus = z.object({
  id: z.string(),
  state: z.string(),
  last_deployment_state: z.string(),
  last_deployment_date: z.string().nullable(),
  last_deployment_id: z.string().nullable(),
  total_deployment_duration_in_seconds: z.number().nullable(),
  origin: z.string().nullable(),
  triggered_by: z.string().nullable(),
  deployment_status: z.string(),
  deployment_request_id: z.string().nullable(),
  metrics: z.array(z.looseObject({})).nullable(),
})
export type EnvironmentStatus = z.output<typeof environmentStatus>

const byKind = {
  applications: z.array(status),
  containers: z.array(status),
  jobs: z.array(status),
  databases: z.array(status),
  helms: z.array(status),
  terraforms: z.array(status),
  agentic_workflows: z.array(status),
}

export const environmentStatuses = z.object({ environment: environmentStatus, ...byKind })

export const environmentStatusesWithStages = z.object({
  environment: environmentStatus,
  stages: z.array(
    z.object({
      ...byKind,
      stage: z.object({
        id: z.string(),
        name: z.string(),
        description: z.string(),
        status: z.string(),
        steps: z.object({ total_duration_sec: z.number(), details: z.array(z.looseObject({})) }),
      }),
    }),
  ),
  pre_check_stage: z.object({ status: z.string(), total_duration_sec: z.number() }),
})
