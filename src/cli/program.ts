import { Command } from 'commander'
import { appCommand } from './commands/app.ts'
import { clusterCommand } from './commands/cluster.ts'
import { registryCommand } from './commands/registry.ts'
import { initCommand } from './commands/init.ts'
import { environmentCommand, projectCommand, tokenCommand } from './commands/place.ts'
import { systemCommands } from './commands/system.ts'

/** The whole command line; `docs/reference/cli.md` is its help, checked by a test. */
export function createProgram(): Command {
  const program = new Command('berth')
    .description('Berth: a Git repository or an image becomes a live application.')
    .version('0.1.0')
    .showHelpAfterError('(add --help to see how)')
  program.addHelpText(
    'after',
    '\nExit codes: 0 done, 1 internal, 2 invalid, 3 unauthenticated, 4 forbidden, 5 not found, 6 conflict, 7 unsupported, 8 unavailable, 9 the deployment did not succeed.',
  )
  for (const add of [
    initCommand,
    systemCommands,
    projectCommand,
    environmentCommand,
    clusterCommand,
    registryCommand,
    appCommand,
    tokenCommand,
  ])
    add(program)
  return program
}
