import type { Command } from 'commander'
import pg from 'pg'
import { settings } from '../../src/config.ts'
import { createProgram } from '../../src/cli/program.ts'
import type { TestServer } from './server.ts'

/** The documents that are made of the code, by path: `npm run generate` writes them, a test says when they are behind. */
export async function generatedDocuments(server: TestServer): Promise<Record<string, string>> {
  const openapi = (await (await fetch(`${server.client.apiUrl}/openapi.json`)).json()) as unknown
  return {
    'docs/reference/openapi.json': `${JSON.stringify(openapi, null, 1)}\n`,
    'docs/reference/cli.md': commandLine(),
    'docs/reference/settings.md': settingsPage(),
    'src/store/schema.sql': await schema(server),
  }
}

function commandLine(): string {
  const pages: string[] = ['# The command line', '', 'Made of `berth --help` by `npm run generate`; a test checks it.']
  const walk = (command: Command, path: string): void => {
    command.configureHelp({ helpWidth: 120 }).configureOutput({ getOutHelpWidth: () => 120 })
    pages.push('', `## ${path}`, '', '```', command.helpInformation().trimEnd(), '```')
    for (const one of command.commands.filter((sub) => sub.name() !== 'git-credential')) walk(one, `${path} ${one.name()}`)
  }
  walk(createProgram(), 'berth')
  return `${pages.join('\n')}\n`
}

function settingsPage(): string {
  const rows = Object.entries(settings).map(([name, schema]) => `| \`${name}\` | ${defaultOf(schema)} | ${schema.description ?? ''} |`)
  return [
    '# Settings',
    '',
    'Environment variables of the server. An unknown `BERTH_…` variable or a wrong value is refused at the start, with the name of the setting.',
    '',
    '| name | default | meaning |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n')
}

/** Defaults that depend on the machine are told in words. */
const dependent: Record<string, string> = {
  BERTH_HOME: '`/var/lib/berth` as root, else `~/.local/share/berth`',
  BERTH_NODE: "the machine's name",
  BERTH_HTTPS_PORT: '443 as root, else 8443',
  BERTH_HTTP_PORT: '80 as root, else 8080',
}
function defaultOf(schema: (typeof settings)[keyof typeof settings]): string {
  const name = Object.entries(settings).find(([, one]) => one === schema)?.[0] ?? ''
  if (dependent[name]) return dependent[name]
  const parsed = schema.safeParse(undefined)
  return parsed.success && parsed.data !== undefined && parsed.data !== '' ? `\`${String(parsed.data)}\`` : ''
}

/** The schema as the database has it after all migrations: tables with their columns, constraints and indexes, sorted. */
async function schema(server: TestServer): Promise<string> {
  const client = new pg.Client({ host: `${server.home}/postgres/run`, user: 'berth', database: 'postgres' })
  await client.connect()
  const columns = await client.query<{ table: string; definition: string }>(`
    select c.relname as table, a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as definition
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where n.nspname = 'public' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped order by c.relname, a.attnum`)
  const constraints = await client.query<{ table: string; definition: string }>(`
    select c.relname as table, 'constraint ' || o.conname || ' ' || pg_get_constraintdef(o.oid) as definition from pg_constraint o join pg_class c on c.oid = o.conrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and o.contype <> 'n' order by c.relname, o.conname`)
  const indexes = await client.query<{ definition: string }>(`
    select indexdef as definition from pg_indexes where schemaname = 'public' and indexname not in (select conname from pg_constraint) order by indexname`)
  await client.end()
  const tables = [...new Set(columns.rows.map((row) => row.table))].map((table) => {
    const lines = [...columns.rows, ...constraints.rows].filter((row) => row.table === table).map((row) => `  ${row.definition}`)
    return `create table ${table} (\n${lines.join(',\n')}\n);`
  })
  return `-- Dumped from the migrations by npm run generate; a test checks it.\n\n${tables.join('\n\n')}\n\n${indexes.rows.map((row) => `${row.definition};`).join('\n')}\n`
}
