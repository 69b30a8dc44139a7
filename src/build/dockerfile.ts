import { DockerfileParser, type From } from 'dockerfile-ast'
import { AppError } from '../model/error.ts'

export type Dockerfile = {
  /** Names of every ARG, in the order of their first appearance, with the default written there. */
  args: { name: string; value: string | null }[]
  stages: { name: string | null; image: string }[]
  /** Images that are not stages of this file, with ARG values put in where they are known. */
  baseImages: string[]
  /** `RUN --mount=type=secret,id=NAME`: the ids. */
  secretIds: string[]
}

/** Reads a Dockerfile with a real parser. Throws `invalid` where nothing can be built from it. */
export function parseDockerfile(text: string): Dockerfile {
  const syntax = /^#\s*syntax\s*=\s*(\S+)/i.exec(text.replace(/^\uFEFF/, '').trimStart())?.[1]
  if (syntax && !/^docker\/dockerfile(:|@|$)|^docker\.io\/docker\/dockerfile(:|@|$)/.test(syntax))
    throw new AppError('invalid', `The Dockerfile names another builder frontend (# syntax=${syntax}): only docker/dockerfile is run.`)
  const parsed = DockerfileParser.parse(text)
  const froms = parsed.getFROMs()
  if (froms.length === 0) throw new AppError('invalid', 'The Dockerfile has no FROM.')
  const known = new Map<string, { name: string; value: string | null }>()
  const args = parsed.getInstructions().filter((one) => one.getKeyword() === 'ARG')
  for (const text of args.flatMap((one) => one.getArguments()).map((argument) => argument.getValue()))
    if (!known.has(nameIn(text))) known.set(nameIn(text), { name: nameIn(text), value: defaultIn(text) })
  const stages = froms.map((from) => ({ name: from.getBuildStage(), image: imageOf(from, known) }))
  const names = new Set(stages.flatMap((stage, index) => [String(index), ...(stage.name ? [stage.name.toLowerCase()] : [])]))
  return {
    args: [...known.values()],
    stages,
    baseImages: [...new Set(stages.map((stage) => stage.image).filter((image) => image !== 'scratch' && !names.has(image.toLowerCase())))],
    secretIds: [
      ...new Set(
        [...text.matchAll(/--mount=([^\s]+)/g)]
          .map((match) => match[1] ?? '')
          .filter((mount) => /(^|,)type=secret(,|$)/.test(mount))
          .flatMap((mount) => /(?:^|,)id=([^,]+)/.exec(mount)?.[1] ?? []),
      ),
    ],
  }
}

/** `NAME`, `NAME=value` and `NAME="value"`, several on one line: the parser's own ARG type knows the first only. */
const nameIn = (argument: string): string => argument.split('=')[0] ?? ''
const defaultIn = (argument: string): string | null =>
  argument.includes('=') ? argument.slice(argument.indexOf('=') + 1).replace(/^(["'])(.*)\1$/, '$2') : null

function imageOf(from: From, args: Map<string, { value: string | null }>): string {
  const image = from.getImage() ?? ''
  return image.replace(
    /\$\{?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}?/g,
    (_all, name: string, fallback?: string) => args.get(name)?.value ?? fallback ?? '',
  )
}

/** The variables a build gets: declared ARGs only. A secret declared as ARG would end up in a layer, so it is refused with what to do instead. */
export function buildArguments(
  dockerfile: Dockerfile,
  variables: { literals: Record<string, string>; secrets: string[] },
): Record<string, string> {
  const leaking = dockerfile.args.find((arg) => variables.secrets.includes(arg.name))
  if (leaking)
    throw new AppError(
      'invalid',
      `The Dockerfile declares the secret ${leaking.name} as ARG, which would store its value in the image. Use it in the command that needs it instead: RUN --mount=type=secret,id=${leaking.name} … (the value is then in the file /run/secrets/${leaking.name}), and remove ARG ${leaking.name}.`,
    )
  return Object.fromEntries(
    dockerfile.args.flatMap(({ name }) => (variables.literals[name] === undefined ? [] : [[name, variables.literals[name]]])),
  )
}

export function checkTarget(dockerfile: Dockerfile, target: string | null): void {
  if (target === null || dockerfile.stages.some((stage) => stage.name?.toLowerCase() === target.toLowerCase())) return
  const names = dockerfile.stages.flatMap((stage) => stage.name ?? [])
  throw new AppError(
    'invalid',
    `The Dockerfile has no stage ${target}; ${names.length === 0 ? 'its stages have no names' : `its stages are ${names.join(', ')}`}.`,
  )
}
