/** Imports point up the flow, never down or sideways (ARCHITECTURE.md). `may`: what each folder may import beside itself and packages. */
const may = {
  model: [],
  release: ['model'],
  plan: ['model', 'release'],
  status: ['model'],
  source: ['model'],
  build: ['model', 'release'],
  store: ['model'],
  engine: ['model', 'release', 'build'],
  deploy: ['model', 'release', 'plan', 'status', 'source', 'build', 'store', 'engine'],
  api: ['model', 'release', 'status', 'source', 'store', 'deploy', 'engine'],
  cli: ['model', 'config.ts'],
  wire: ['model', 'build', 'config.ts', 'deploy', 'engine', 'source', 'store'],
  setup: ['model', 'cli', 'config.ts', 'engine', 'wire'],
}
const forbidden = Object.entries(may).map(([folder, allowed]) => ({
  name: `${folder} imports only ${allowed.join(', ') || 'packages'}`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: {
    path: '^src/',
    pathNot: `^src/(${[folder, ...allowed].map((one) => (one.endsWith('.ts') ? one.replace('.', '\\.') : `${one}/`)).join('|')})`,
  },
}))

export default {
  forbidden: [
    ...forbidden,
    { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'engines do not know each other',
      severity: 'error',
      from: { path: '^src/engine/([^/]+)/' },
      to: { path: '^src/engine/([^/]+)/', pathNot: '^src/engine/($1|contract)/' },
    },
    {
      name: 'nothing of an engine leaks',
      severity: 'error',
      from: { path: '^src/(model|release|plan|status|deploy|api)/' },
      to: { path: '^src/(engine|build)/[^/]+/' },
    },
    {
      name: 'deciding is pure',
      severity: 'error',
      from: { path: '^src/(model|release|plan|status)/' },
      to: { path: '^(node:)?(fs|net|http|https|child_process|dns)$' },
    },
    { name: 'only store speaks SQL', severity: 'error', from: { pathNot: '^src/store/' }, to: { path: 'node_modules/(kysely|pg)/' } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs'] },
  },
}
