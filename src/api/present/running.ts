import type { Instance } from '../../model/observation.ts'
import { listApplications } from '../../store/application.ts'
import type { Db } from '../../store/database.ts'
import { listObservations } from '../../store/observation.ts'
import { serviceTypeOf } from './service.ts'
import { runningStateOf } from './state.ts'
import { statusesOf } from './status.ts'

/** What the services of an environment do, as the contract's stream of running states has it. */
export async function presentRunning(db: Db, row: { id: string; project_id: string }) {
  const applications = await listApplications(db, { environmentId: row.id })
  const [known, observations] = await Promise.all([
    statusesOf(db, applications),
    listObservations(
      db,
      applications.map((one) => one.id),
    ),
  ])
  const shown = known.map(({ application, status }) => ({
    type: serviceTypeOf(application),
    dto: {
      id: application.id,
      state: runningStateOf(status.health),
      pods: (observations.get(application.id)?.instances ?? []).map((one) =>
        presentPod(one, observations.get(application.id)?.evidence ?? []),
      ),
      certificates: [],
    },
  }))
  const states = shown.map((one) => one.dto.state)
  const state = ['ERROR', 'WARNING', 'STARTING', 'STOPPING', 'RUNNING'].find((one) => states.includes(one)) ?? 'STOPPED'
  return {
    id: row.id,
    project_id: row.project_id,
    state,
    applications: shown.filter((one) => one.type === 'APPLICATION').map((one) => one.dto),
    containers: shown.filter((one) => one.type === 'CONTAINER').map((one) => one.dto),
    databases: [],
    jobs: [],
    helms: [],
    argocd_apps: [],
    terraform: [],
    agentic_workflows: [],
  }
}

const podStates: Record<Instance['state'], string> = {
  starting: 'STARTING',
  ready: 'RUNNING',
  unready: 'ERROR',
  stopping: 'STOPPING',
  exited: 'ERROR',
}

function presentPod(instance: Instance, evidence: { at: string; kind: string; instance: string | null; message: string }[]) {
  const started = instance.startedAt ? Date.parse(instance.startedAt) : 0
  const exit = instance.lastExit
  const message = instance.probe ?? ''
  return {
    name: instance.name,
    state: podStates[instance.state],
    state_reason: instance.state === 'exited' ? 'Exited' : instance.probe ? 'ProbeFailed' : '',
    state_message: message,
    restart_count: instance.restarts,
    service_version: String(instance.revision),
    started_at: started,
    containers: [
      {
        name: 'application',
        image: instance.image,
        restart_count: instance.restarts,
        current_state: { state: podStates[instance.state], started_at: started, state_reason: '', state_message: message },
        last_terminated_state: exit && {
          exit_code: exit.code,
          exit_code_message: exit.byHand ? 'stopped from outside Berth' : '',
          reason: exit.outOfMemory ? 'OOMKilled' : 'Exited',
          message: '',
          signal: 0,
          started_at: exit.startedAt ? Date.parse(exit.startedAt) : 0,
          finished_at: Date.parse(exit.at),
        },
      },
    ],
    last_events: evidence
      .filter((one) => one.instance === instance.name)
      .slice(-10)
      .map((one) => ({ created_at: Date.parse(one.at), message: one.message, reason: one.kind, type: 'Warning' })),
  }
}
