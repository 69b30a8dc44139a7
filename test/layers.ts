import { cruise } from 'dependency-cruiser'
// @ts-expect-error it is plain JavaScript
import config from '../.dependency-cruiser.mjs'

/** A layer check over no modules is green, so the number seen is asserted too. */
const LEAST = 120

const result = await cruise(['src'], { ...config.options, ruleSet: { forbidden: config.forbidden }, validate: true } as Parameters<
  typeof cruise
>[1])
const { output } = result
if (typeof output === 'string') throw new Error(output)
for (const violation of output.summary.violations) process.stderr.write(`${violation.rule.name}: ${violation.from} -> ${violation.to}\n`)
process.stdout.write(`${output.summary.totalCruised} modules, ${output.summary.violations.length} violations\n`)
if (output.summary.violations.length > 0 || output.summary.totalCruised < LEAST) process.exit(1)
