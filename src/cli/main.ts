import { fail } from './output.ts'
import { createProgram } from './program.ts'

process.stdout.on('error', () => process.exit(0))
createProgram().parseAsync(process.argv).catch(fail)
