import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

let folder: string

/** All temporary files of one run of the suites are in one folder, which goes with the run. */
export function setup(): void {
  folder = mkdtempSync(join(tmpdir(), 'berth-run-'))
  // PostgreSQL runs as somebody else where the suites run as root, and has to get through.
  chmodSync(folder, 0o711)
  process.env['TMPDIR'] = folder
}

export const teardown = (): void => rmSync(folder, { recursive: true, force: true })
