import { quoted, type Row } from './row.ts'

const pull = /^(ErrImagePull|ImagePullBackOff|RegistryUnavailable|ErrImageNeverPull)$/

/** Why an image does not come; the first row that fits is told. */
export const pullRows: Row[] = [
  {
    reason: pull,
    message: /no match for platform|no matching manifest/i,
    tell: () => ({
      reason: 'WrongArchitecture',
      message: 'The image was not built for the processors of the nodes.',
      remedy: 'Build it for them as well, or set cpu_architecture where the cluster has other nodes too.',
    }),
    patience: 'at-once',
  },
  {
    reason: pull,
    message: /\b401 Unauthorized|\b403 Forbidden|unauthorized:|authorization failed|access denied|insufficient_scope|\bdenied: /i,
    tell: () => ({
      reason: 'ImageAccessDenied',
      message: 'The registry does not give the image out to the nodes: it asks for credentials, or does not take those that it was given.',
      remedy:
        'Give it its user name and password (berth registry edit <name> --password-stdin), then deploy again; or make the image public.',
    }),
    // A node whose cache of secrets is late pulls without the credentials first, and with them ten seconds later.
    patience: 25,
  },
  {
    reason: pull,
    message: /not found|manifest unknown|name unknown|does not exist/i,
    tell: () => ({
      reason: 'ImageNotFound',
      message: 'The image does not exist in its registry (any more).',
      remedy: 'Deploy again: it is built or resolved anew. An image that a registry cleans up by age cannot be started later.',
    }),
    patience: 4,
  },
  {
    reason: pull,
    message: /\b429\b|toomanyrequests|rate limit/i,
    tell: () => ({
      reason: 'RegistryLimit',
      message: 'The registry refuses more pulls for now (its rate limit is reached).',
      remedy: 'Wait until its limit resets, or pull with credentials.',
    }),
    patience: 'never',
  },
  {
    reason: pull,
    message: /\bdial tcp 127\.0\.0\.1:2\d{4}\b/,
    tell: () => ({
      reason: 'RegistryUnreachable',
      message: "The node cannot pull from the cluster's own registry: its proxy does not answer there.",
      remedy: '`berth cluster check` says on how many nodes, and where to look.',
    }),
    patience: 60,
  },
  {
    reason: pull,
    message: /no such host|x509|certificate|http response to https|connection refused|i\/o timeout|dial tcp/i,
    tell: () => ({
      reason: 'RegistryUnreachable',
      message: 'The nodes cannot reach the registry of the image (its name, its certificate, or HTTP instead of HTTPS).',
      remedy: 'Make the registry reachable from the nodes under the same name as from Berth; nodes need to trust its certificate.',
    }),
    patience: 20,
  },
  {
    reason: pull,
    tell: (message) => ({
      reason: 'ImagePullFailed',
      message: `The image cannot be pulled: ${quoted(message)}.`,
      remedy: 'Check the name of the image and that the nodes reach its registry.',
    }),
    patience: 30,
  },
]
