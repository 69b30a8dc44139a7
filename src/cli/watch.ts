import { spinner } from '@clack/prompts'
import type { Client } from './client.ts'
import { say } from './output.ts'

export type Line = {
  timestamp: string
  message: { safe_message: string } | null
  error: { user_log_message: string; hint_message: string } | null
  details: { transmitter: { name: string } }
}

const final = /^(DEPLOYED|RESTARTED|STOPPED|DELETED|CANCELED|READY|.*_ERROR)$/
/** Milliseconds between looks at the API. */
const LOOK = 400

/** Follows an environment's newest deployment until it is final: its lines as they come, a spinner on a terminal. True = it succeeded. */
export async function watchDeployment(
  client: Client,
  environmentId: string,
  options: { json?: boolean | undefined },
): Promise<{ succeeded: boolean; state: string }> {
  const progress = process.stdout.isTTY && !options.json ? spinner() : null
  progress?.start('Waiting for its turn')
  let seen = ''
  for (;;) {
    const status = await client.get<{ last_deployment_state: string; last_deployment_id: string | null }>(
      `/environment/${environmentId}/status`,
    )
    const lines = status.last_deployment_id
      ? await client.get<Line[]>(`/environment/${environmentId}/logs?version=${status.last_deployment_id}`)
      : []
    for (const line of lines.filter((one) => one.timestamp > seen)) {
      const text = line.error ? `${line.error.user_log_message} ${line.error.hint_message}` : (line.message?.safe_message ?? '')
      if (progress) progress.message(text.slice(0, 120))
      else if (!options.json) say(text)
    }
    seen = lines.at(-1)?.timestamp ?? seen
    if (final.test(status.last_deployment_state)) {
      const succeeded = !/_ERROR$|^CANCELED$/.test(status.last_deployment_state)
      const failure = lines.findLast((one) => one.error)?.error
      progress?.stop(status.last_deployment_state)
      if (!succeeded && failure && progress) say(`${failure.user_log_message}\n${failure.hint_message}`)
      return { succeeded, state: status.last_deployment_state }
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK))
  }
}
