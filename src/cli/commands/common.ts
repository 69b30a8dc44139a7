import type { Command } from 'commander'

export type Common = { environment?: string; project?: string; json?: boolean; wait?: boolean }

export const json = (command: Command): Command => command.option('--json', 'print JSON')

/** The options that every command on an application has. */
export const common = (command: Command): Command =>
  command
    .option('-e, --environment <name>', 'environment, by name or id')
    .option('-p, --project <name>', 'project of the environment')
    .option('--json', 'print JSON')

/** … and those that can wait for the end. */
export const waiting = (command: Command): Command => common(command).option('--wait', 'wait until it is done, showing its steps')
