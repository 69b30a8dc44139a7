import { z } from 'zod'

/** What runs, never a tag: a registry's digest, or an image id that exists on one cluster only. */
export const image = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('registry'), repository: z.string(), digest: z.string(), platform: z.string() }),
  z.object({ kind: z.literal('local'), clusterId: z.string(), imageId: z.string(), platform: z.string() }),
])
export type Image = z.infer<typeof image>

/** The name an engine pulls or starts the image by. */
export const referenceOf = (image: Image): string => (image.kind === 'registry' ? `${image.repository}@${image.digest}` : image.imageId)
