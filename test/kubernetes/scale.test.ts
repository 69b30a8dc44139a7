import { expect, test } from 'vitest'
import { applyMany } from '../harness/scale.ts'

/** Applications: few here, many with `bin/test --long`. */
const COUNT = process.env['LONG'] ? 1000 : 100

test.skipIf(process.env['KUBECONFIG_FOR_TESTS'])(
  `${COUNT} applications are applied with few calls each, seen, and seen again by a server that has just started`,
  async () => {
    const { callsPerApplication } = await applyMany(COUNT)
    // Four objects and the count; the namespace with its wall; and a share of the watches.
    expect(callsPerApplication).toBeLessThan(10)
  },
  COUNT * 1500 + 120_000,
)
