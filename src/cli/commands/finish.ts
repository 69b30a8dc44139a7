import type { Client } from '../client.ts'
import { DEPLOYMENT_FAILED, say, show } from '../output.ts'
import { watchDeployment } from '../watch.ts'
import type { Common } from './common.ts'

/** Waits for the environment's newest deployment; one that did not succeed is told by the exit code. */
export async function finish(client: Client, environmentId: string, options: Common & { canceling?: boolean }): Promise<void> {
  const result = await watchDeployment(client, environmentId, options)
  show(result, options, () => say(result.state))
  if (!result.succeeded && !(options.canceling && result.state === 'CANCELED')) process.exitCode = DEPLOYMENT_FAILED
}
