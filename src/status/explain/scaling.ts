import type { Scaler } from '../../model/observation.ts'
import { quoted } from './row.ts'

/** Whether the number of instances follows what they use, and why not. */
export function explainScaling({ state, limit, message }: Scaler): { status: boolean; reason: string; message: string } {
  if (state === 'scales') return { status: true, reason: 'Scales', message: '' }
  if (state === 'most')
    return {
      status: false,
      reason: 'AtMaximum',
      message: `It runs as many instances as it may, ${limit}, and would have more: raise max_running_instances, or let it do with less.`,
    }
  return {
    status: false,
    reason: 'NoMetrics',
    message: `The number of its instances stays, because the cluster does not say what they use: ${quoted(message)}. Right after a start that takes a minute; if it stays, metrics-server is missing or does not run (berth cluster check).`,
  }
}
