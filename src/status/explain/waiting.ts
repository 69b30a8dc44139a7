import type { Explanation } from '../../model/deployment.ts'
import type { Waiting } from '../../model/observation.ts'
import { pullRows } from './pulling.ts'
import { quoted, type Patience, type Row } from './row.ts'
import { explainScheduling } from './scheduling.ts'

export type Verdict = { explanation: Explanation; patience: Patience }

const config = /^CreateContainerConfigError$/
const create = /^(CreateContainerError|RunContainerError|StartError|ContainerCannotRun|CrashLoopBackOff)$/
const failedCreate = /^(FailedCreate|ReplicaFailure)$/

/** What the engine says, in its words, and what that means; the first row that fits is told. */
const rows: Row[] = [
  {
    reason: /^InvalidImageName$/,
    tell: (message) => ({
      reason: 'ImageNameInvalid',
      message: `The name of the image is not one that can be pulled: ${quoted(message)}.`,
      remedy: 'Write it without https:// and in lower case, e.g. registry.example.com/team/web.',
    }),
    patience: 'at-once',
  },
  ...pullRows,
  {
    reason: config,
    message: /runAsNonRoot|run as non-root|image will run as root|non-numeric user/i,
    tell: () => ({
      reason: 'RunsAsRoot',
      message: 'The image runs as root, which the security level of this cluster forbids.',
      remedy: 'Add a numeric USER to its Dockerfile (USER 1000), or lower the security level of the cluster.',
    }),
    patience: 'at-once',
  },
  {
    reason: config,
    message: /secret|configmap|key/i,
    tell: () => ({
      reason: 'ConfigurationMissing',
      message: 'The variables of this release are not on the cluster: somebody removed them.',
      remedy: 'They are applied again within seconds; if not, deploy again.',
    }),
    patience: 20,
  },
  {
    reason: config,
    tell: (message) => ({
      reason: 'ConfigurationWrong',
      message: `It cannot be configured: ${quoted(message)}.`,
      remedy: 'Change what the message names.',
    }),
    patience: 10,
  },
  {
    reason: create,
    message: /argument list too long/i,
    tell: () => ({
      reason: 'VariableTooLong',
      message: 'One variable is larger than the kernel allows (128 KiB).',
      remedy: 'Make it shorter, or mount it as a file.',
    }),
    patience: 'at-once',
  },
  {
    reason: create,
    message: /executable file not found|no such file or directory|permission denied|is a directory|exec format error/i,
    tell: (message) => ({
      reason: /exec format error/i.test(message) ? 'WrongArchitecture' : 'CommandNotFound',
      message: `It could not run its command: ${programIn(message)}.`,
      remedy: /exec format error/i.test(message)
        ? 'The program was built for other processors than the nodes have: build it for them.'
        : 'Check entrypoint, arguments and the CMD of the Dockerfile: the program must exist in the image and be executable; an entrypoint is one program, its arguments stand apart.',
    }),
    patience: 'at-once',
  },
  {
    reason: /^CreateContainerError$/,
    tell: (message) => ({
      reason: 'NotStarted',
      message: `It could not be created: ${quoted(message)}.`,
      remedy: 'Change what the message names, then deploy again.',
    }),
    patience: 10,
  },
  {
    reason: /^PostStartHookError$/,
    tell: (message) => ({
      reason: 'HookFailed',
      message: `Its post-start command failed, and it is ended for that: ${quoted(message)}.`,
      remedy:
        'Change deployment.lifecycle.post_start_exec_command: it runs in the instance right after its start, and must end with exit code 0.',
    }),
    patience: 4,
  },
  {
    reason: failedCreate,
    message: /exceeded quota/i,
    tell: (message) => ({
      reason: 'QuotaExceeded',
      message: `The quota of its namespace is used up: ${quoted(message.replace(/^.*exceeded quota:?/i, ''))}.`,
      remedy: 'Lower cpu, memory or the number of instances, stop something in the environment, or raise the quota.',
    }),
    patience: 'at-once',
  },
  {
    reason: failedCreate,
    message: /violates PodSecurity/i,
    tell: (message) => ({
      reason: 'SecurityLevel',
      message: `The security level of its namespace forbids it: ${quoted(message.replace(/^.*violates PodSecurity/i, 'PodSecurity'))}.`,
      remedy: 'Change the settings that the message names, or lower the security level of the cluster.',
    }),
    patience: 'at-once',
  },
  {
    reason: failedCreate,
    message: /serviceaccount.*not found|error looking up service account/i,
    tell: (message) => ({
      reason: 'ServiceAccountMissing',
      message: `Its service account does not exist: ${/service ?account "?([^" ]+)"?/i.exec(message)?.[1] ?? quoted(message)}.`,
      remedy: 'Create the service account in the namespace of the environment, or clear security.service_account_name.',
    }),
    // A new namespace gets its default account a moment after its pods are asked for.
    patience: 10,
  },
  {
    reason: failedCreate,
    message: /admission webhook|denied the request|forbidden/i,
    tell: (message) => ({
      reason: 'AdmissionDenied',
      message: `A rule of the cluster refuses it: ${quoted(message)}.`,
      remedy: 'Change what the message names, or ask who looks after the cluster.',
    }),
    patience: 'at-once',
  },
  {
    reason: failedCreate,
    tell: (message) => ({
      reason: 'NotCreated',
      message: `Its instances cannot be created: ${quoted(message)}.`,
      remedy: 'Change what the message names, then deploy again.',
    }),
    patience: 10,
  },
  {
    reason: /^(ProvisioningFailed|VolumePending)$/,
    tell: (message) => ({
      reason: 'VolumePending',
      message: `Its volume cannot be made: ${quoted(message)}.`,
      remedy: 'The cluster needs a storage class that makes volumes (`berth cluster check` shows them).',
    }),
    patience: 30,
  },
  {
    reason: /^NoStorageClass$/,
    tell: () => ({
      reason: 'NoStorageClass',
      message: 'Its volume cannot be made: the cluster has no default storage class.',
      remedy:
        'Make one the default (its annotation storageclass.kubernetes.io/is-default-class), or name one: `berth cluster edit <name> --storage-class <class>`.',
    }),
    patience: 10,
  },
  {
    reason: /^(FailedMount|FailedAttachVolume|VolumeFailedMount)$/,
    tell: (message) => ({
      reason: 'VolumeNotAttached',
      message: `Its volume cannot be attached: ${quoted(message)}.`,
      remedy: 'A volume is on one node at a time: it comes once the old instance is gone (6 minutes where its node is lost).',
    }),
    patience: 'never',
  },
  {
    reason: /^Unschedulable$/,
    tell: (message) => {
      const { reason, cause, remedy } = explainScheduling(message)
      return { reason, message: `It waits for a node: ${cause}.`, remedy }
    },
    patience: 20,
  },
  {
    reason: /^NodeNotReady$/,
    tell: (message) => ({
      reason: 'NodeNotReady',
      message: `The node it is on does not answer: ${quoted(message)}.`,
      remedy: 'Look at the node; Kubernetes moves instances without volumes elsewhere after five minutes.',
    }),
    patience: 'never',
  },
  {
    reason: /^PreemptionByScheduler$/,
    tell: () => ({
      reason: 'Preempted',
      message: 'It had to make room for something of a higher priority.',
      remedy: 'Nothing is wrong with it: it is started again where there is room. Add a node, or look at who uses priority classes.',
    }),
    patience: 'never',
  },
  {
    reason: /^EvictionByEvictionAPI$/,
    tell: () => ({
      reason: 'Drained',
      message: 'It was asked to leave its node, which is drained, for example.',
      remedy: 'Nothing is wrong with it: it is started on another node. Two instances keep it answering meanwhile.',
    }),
    patience: 'never',
  },
  {
    reason: /^DeletionBy(TaintManager|PodGC)$/,
    tell: () => ({
      reason: 'NodeLeft',
      message: 'Its node is gone, does not answer, or keeps nothing any more (a taint).',
      remedy: 'Nothing is wrong with it: it is started on another node. Look at the node.',
    }),
    patience: 'never',
  },
  {
    reason: /^Evicted$/,
    tell: (message) => ({
      reason: 'Evicted',
      message: `It was removed from its node: ${quoted(message)}.`,
      remedy: 'Raise ephemeral_storage_in_gib where it wrote too many temporary files; otherwise the node ran short.',
    }),
    patience: 'never',
  },
]

const programIn = (message: string): string => {
  const found = /exec: "([^"]*)": ([^:"]*(?:: [^:"]*)?)/.exec(message) ?? /stat ([^:]+): (no such file or directory)/.exec(message)
  return found ? `${found[1] ?? ''}: ${(found[2] ?? '').replace(/: unknown$/, '')}` : quoted(message)
}

/** What it waits for, and how long that is worth; undefined where waiting is just what a start takes. */
export function explainWaiting(waiting: Waiting, subject: string): Verdict | undefined {
  const row = rows.find((one) => one.reason.test(waiting.reason) && (one.message?.test(waiting.message) ?? true))
  if (!row || waiting.reason === 'CrashLoopBackOff') return undefined
  const told = row.tell(waiting.message)
  return {
    explanation: {
      ...told,
      message: `${subject}: ${told.message}`,
      evidence: [`${waiting.since} ${waiting.reason}: ${quoted(waiting.message)}`],
    },
    patience: row.patience,
  }
}

/** Whether it has waited as long as is of use. `now` in milliseconds. */
export const isOver = ({ patience }: Verdict, waiting: Waiting, now: number): boolean =>
  patience === 'at-once' || (patience !== 'never' && now - Date.parse(waiting.since) >= patience * 1000)
