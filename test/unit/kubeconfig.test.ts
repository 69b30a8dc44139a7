import { describe, expect, test } from 'vitest'
import { kubeconfigOf, parseKubeconfig } from '../../src/model/kubeconfig.ts'

const config = (of: { cluster?: object; user?: object; more?: object } = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443', ...of.cluster } }],
    users: [{ name: 'u', user: of.user ?? { token: 'abc' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
    ...of.more,
  })

describe('a kubeconfig', () => {
  test('is read to an address and one credential, and comes back as one', () => {
    const access = parseKubeconfig(config())
    expect(access).toEqual({ server: 'https://10.0.0.1:6443', authority: null, token: 'abc', certificate: null, key: null })
    expect(parseKubeconfig(kubeconfigOf(access, 'berth'))).toEqual(access)
  })

  test.each<[string, object, string]>([
    ['runs a plug-in', { user: { exec: { command: 'aws' } } }, 'user.exec'],
    ['has an auth-provider', { user: { 'auth-provider': { name: 'gcp' } } }, 'user.auth-provider'],
    ['names a token file', { user: { tokenFile: '/etc/shadow' } }, 'user.tokenFile'],
    ['names a certificate file', { user: { 'client-certificate': '/x' } }, 'user.client-certificate'],
    ['names an authority file', { cluster: { 'certificate-authority': '/x' } }, 'cluster.certificate-authority'],
    ['skips the check of certificates', { cluster: { 'insecure-skip-tls-verify': true } }, 'cluster.insecure-skip-tls-verify'],
    ['goes through a proxy', { cluster: { 'proxy-url': 'http://x' } }, 'cluster.proxy-url'],
    ['acts as somebody else', { user: { token: 'a', as: 'admin' } }, 'user.as'],
  ])('that %s is refused with the remedy', (_what, of, path) => {
    expect(() => parseKubeconfig(config(of))).toThrow(
      expect.objectContaining({
        code: 'invalid',
        path: `kubeconfig.${path}`,
        message: expect.stringContaining('service account') as string,
      }),
    )
  })

  test.each<[string, string]>([
    ['no YAML', '{ : ['],
    ['a list', '[]'],
    ['aliases', 'a: &a [x]\nb: *a\nclusters: []'],
    ['no https', config({ cluster: { server: 'http://10.0.0.1' } })],
    ['a user name in its address', config({ cluster: { server: 'https://a:b@10.0.0.1' } })],
    ['no credential', config({ user: {} })],
    ['a context that is not there', config({ more: { 'current-context': 'y', contexts: [] } })],
    ['a certificate that is none', config({ cluster: { 'certificate-authority-data': Buffer.from('hello').toString('base64') } })],
    ['a token with a line break', config({ user: { token: 'a\r\nb' } })],
    ['a megabyte', `#${'x'.repeat(1_000_000)}`],
  ])('with %s is refused with a path', (_what, text) => {
    expect(() => parseKubeconfig(text)).toThrow(
      expect.objectContaining({ code: 'invalid', path: expect.stringMatching(/^kubeconfig/) as string }),
    )
  })
})
