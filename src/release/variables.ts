import type { Scope, Variable, VariableValue } from '../model/variable.ts'

const rank: Record<Scope, number> = { project: 0, environment: 1, application: 2 }

/** The narrowest scope wins. Built-in values never collide: their prefix is refused for people's keys. */
export function resolveVariables(variables: Variable[], builtIn: Record<string, string>): Record<string, VariableValue> {
  const sorted = [...variables].sort((a, b) => rank[a.scope] - rank[b.scope])
  const resolved: Record<string, VariableValue> = Object.fromEntries(Object.entries(builtIn).map(([key, literal]) => [key, { literal }]))
  for (const variable of sorted) resolved[variable.key] = variable.secret ? { secret: variable.secret } : { literal: variable.value ?? '' }
  return resolved
}
