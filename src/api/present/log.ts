import { executionId, type Deployment, type Part } from '../../model/deployment.ts'
import type { LogLine } from '../../store/log.ts'
import { z } from 'zod'

export const environmentLog = z.object({
  type: z.string(),
  timestamp: z.string(),
  details: z.object({
    organization_id: z.string(),
    cluster_id: z.string(),
    execution_id: z.string(),
    transmitter: z.object({ id: z.string(), name: z.string(), type: z.string() }),
    stage: z.object({ step: z.string(), id: z.string().nullable(), name: z.string().nullable() }),
  }),
  error: z
    .object({
      tag: z.string(),
      user_log_message: z.string(),
      link: z.string(),
      hint_message: z.string(),
      underlying_error: z.object({ message: z.string(), full_details: z.string() }),
    })
    .nullable(),
  message: z.object({ safe_message: z.string(), full_details: z.string() }).nullable(),
})

/** A line of a deployment's log. Its time, exact to the microsecond, tells it apart from every other. */
export function presentLog(line: LogLine & { exact: string }, deployment: Deployment, parts: Map<string, Part>) {
  const part = line.applicationId ? parts.get(line.applicationId) : undefined
  return {
    type: line.error ? 'error' : 'info',
    timestamp: line.exact,
    details: {
      organization_id: deployment.organizationId,
      cluster_id: deployment.clusterId,
      execution_id: executionId(deployment.environmentId, deployment.number),
      transmitter: part
        ? { id: part.applicationId, name: part.applicationName, type: 'Application' }
        : { id: deployment.environmentId, name: '', type: 'Environment' },
      stage: { step: line.step, id: part?.stageId ?? null, name: part?.stageName ?? null },
    },
    error: line.error && {
      tag: line.error.reason,
      user_log_message: line.error.message,
      link: '',
      hint_message: line.error.remedy,
      underlying_error: { message: line.error.message, full_details: line.error.evidence.join('\n') },
    },
    message: { safe_message: line.message, full_details: line.message },
  }
}
