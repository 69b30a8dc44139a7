import fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { durationOf } from '../../src/api/present/history.ts'
import { mergeAdvancedSettings, settingsOf } from '../../src/api/advanced-settings.ts'
import { buildArguments, checkTarget, parseDockerfile } from '../../src/build/dockerfile.ts'
import { limitFiles } from '../../src/build/docker/cgroup.ts'
import { hostRoutes } from '../../src/engine/docker/host-routes.ts'
import { readConfig } from '../../src/config.ts'
import { parseBranch, parseRepositoryUrl, parseTreePath } from '../../src/model/git.ts'
import { newAddressLabel, isDnsLabel } from '../../src/model/name.ts'
import { readinessOf, readyDeadline } from '../../src/model/probe.ts'
import { Secret } from '../../src/model/secret.ts'
import { canonical } from '../../src/release/digest.ts'
import { resolveVariables } from '../../src/release/variables.ts'
import { Egress } from '../../src/source/egress.ts'
import { progressPacket, splitBeforeFlush } from '../../src/source/git/own.ts'
import { explainExit } from '../../src/status/explain/instances.ts'
import { Vault } from '../../src/store/seal.ts'
import { DeploymentLog } from '../../src/deploy/log.ts'

describe('a Dockerfile', () => {
  test('tells its stages, ARGs in all forms, base images and build secrets', () => {
    const parsed = parseDockerfile(
      'ARG BASE=debian\nFROM ${BASE}:bookworm AS build\nARG A B=2\nARG C="three"\nRUN --mount=type=secret,id=TOKEN --mount=type=cache,target=/x true\nFROM build AS test\nFROM scratch\nCOPY --from=build /x /x\n',
    )
    expect(parsed.args.map((arg) => arg.name)).toEqual(['BASE', 'A', 'B', 'C'])
    expect(parsed.stages.map((stage) => stage.name)).toEqual(['build', 'test', null])
    expect(parsed.baseImages).toEqual(['debian:bookworm'])
    expect(parsed.secretIds).toEqual(['TOKEN'])
  })

  test('gives variables to declared ARGs only, and none of its secrets', () => {
    const parsed = parseDockerfile('FROM a\nARG ONE\nARG TWO\n')
    expect(buildArguments(parsed, { literals: { ONE: '1', THREE: '3' }, secrets: ['THREE'] })).toEqual({ ONE: '1' })
    expect(() => buildArguments(parsed, { literals: {}, secrets: ['TWO'] })).toThrow(/--mount=type=secret,id=TWO/)
  })

  test('without FROM, with another frontend or without the wanted stage is refused', () => {
    expect(() => parseDockerfile('RUN true\n')).toThrow(/no FROM/)
    expect(() => parseDockerfile('# syntax=evil/frontend:1\nFROM a\n')).toThrow(/another builder frontend/)
    expect(() => parseDockerfile('# syntax=docker/dockerfile:1\nFROM a\n')).not.toThrow()
    expect(() => checkTarget(parseDockerfile('FROM a AS one\n'), 'two')).toThrow(/its stages are one/)
  })
})

describe('addresses that Berth connects to', () => {
  test.each([
    ['127.0.0.1'],
    ['10.1.2.3'],
    ['169.254.169.254'],
    ['192.168.0.1'],
    ['::1'],
    ['fd00::1'],
    ['fe80::1'],
    ['::ffff:10.0.0.1'],
    ['::ffff:a00:1'],
    ['0.0.0.0'],
    ['100.64.0.1'],
  ])('%s is none, unless it is allowed', (address) => {
    expect(new Egress([]).allows('host', address)).toBe(false)
    expect(new Egress(['host']).allows('host', address)).toBe(true)
  })

  test.each([['8.8.8.8'], ['2606:4700::1111']])('%s is one', (address) => expect(new Egress([]).allows('host', address)).toBe(true))

  test('a network that is allowed opens just itself, and the refusal names the setting', async () => {
    const egress = new Egress(['127.0.0.0/8'])
    expect(await egress.addressOf('127.0.0.1', 'url')).toBe('127.0.0.1')
    await expect(egress.addressOf('10.0.0.1', 'url')).rejects.toThrow(/BERTH_EGRESS_ALLOW/)
  })
})

describe('names and paths', () => {
  test('an address label is a DNS label, whatever the name', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9 _-]{0,60}[A-Za-z0-9])?$/),
        (name) => void expect(isDnsLabel(newAddressLabel(name))).toBe(true),
      ),
    )
  })

  test('no path that is accepted leaves the tree', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('..', '.', 'a', 'b', ''), { maxLength: 8 }), (parts) => {
        const text = parts.join('/')
        if (parts.includes('..')) expect(() => parseTreePath(text, 'p')).toThrow(/\.\./)
        else expect(parseTreePath(text, 'p')).not.toMatch(/(^|\/)\.|^\//)
      }),
    )
  })

  test('ordinary URLs and branches are accepted', () => {
    for (const url of ['https://github.com/a/b.git', 'http://127.0.0.1:3000/x.git', 'https://[::1]/x'])
      expect(parseRepositoryUrl(url, 'u').href).toContain('://')
    for (const branch of ['main', 'feature/x-1', 'v1.2']) expect(parseBranch(branch, 'b')).toBe(branch)
  })
})

describe('secrets', () => {
  test('print as *** in every way there is', () => {
    const secret = new Secret('hush')
    expect([String(secret), JSON.stringify({ secret }), inspect(secret), `${secret.toString()}`].join()).not.toContain('hush')
  })

  test('open only with their key and in their place', () => {
    const vault = new Vault(randomBytes(32))
    fc.assert(
      fc.property(fc.string(), (text) => void expect(vault.open(vault.seal(text, 'row 1'), 'row 1')).toBe(text)),
      { numRuns: 20 },
    )
    const sealed = vault.seal('x', 'row 1')
    expect(() => vault.open(sealed, 'row 2')).toThrow(/does not open/)
    expect(() => new Vault(randomBytes(32)).open(sealed, 'row 1')).toThrow(/does not open/)
    expect(vault.fingerprint('x')).toEqual(vault.fingerprint('x'))
  })

  test('are taken out of log lines, also when they have several lines', () => {
    const log = new DeploymentLog(undefined as never, 'd')
    log.hide(['first line\nsecond line', 'abcd'])
    expect(log.redact('x first line y second line z abcd')).toBe('x *** y *** z ***')
  })
})

describe('variables', () => {
  const at = new Date()
  const variable = (scope: 'project' | 'environment' | 'application', value: string) => ({
    id: scope,
    organizationId: 'o',
    scope,
    parentId: 'p',
    key: 'K',
    value,
    secret: null,
    description: '',
    createdAt: at,
    updatedAt: at,
  })

  test('of the narrowest scope win, in whatever order they come', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([variable('project', '1'), variable('environment', '2'), variable('application', '3')], { minLength: 3 }),
        (all) => void expect(resolveVariables(all, {})['K']).toEqual({ literal: '3' }),
      ),
    )
  })
})

describe('settings', () => {
  test('an unknown or wrong one is named', () => {
    expect(() => readConfig({ BERTH_PROT: '1' })).toThrow(/no setting BERTH_PROT\. Did you mean BERTH_P/)
    expect(() => readConfig({ BERTH_PORT: 'x' })).toThrow(/BERTH_PORT is wrong/)
    expect(() => readConfig({ BERTH_NETWORK_POOL: '10.0.0.0/30' })).toThrow(/BERTH_NETWORK_POOL/)
    expect(readConfig({ BERTH_PORT: '5000' }).apiUrl).toBe('http://127.0.0.1:5000')
  })

  test('advanced settings keep only what differs from the default', () => {
    const merged = mergeAdvancedSettings('git', {}, { 'build.timeout_max_sec': 60, 'hpa.cpu.average_utilization_percent': 60 })
    expect(merged).toEqual({ 'build.timeout_max_sec': 60 })
    expect(settingsOf(merged).build.timeout).toBe(60)
    expect(mergeAdvancedSettings('git', merged, { 'build.timeout_max_sec': null })).toEqual({})
    expect(() => mergeAdvancedSettings('image', {}, { 'build.timeout_max_sec': 60 })).toThrow(/no such/)
  })
})

describe('probes', () => {
  test('without one, the first TCP port counts; without a port, running', () => {
    const port = {
      id: '1',
      name: 'p',
      internal: 80,
      external: null,
      public: false,
      isDefault: false,
      protocol: 'http' as const,
      publicPath: null,
      publicPathRewrite: null,
    }
    expect(
      readinessOf(null, [
        { ...port, protocol: 'udp' },
        { ...port, internal: 81 },
      ]).probe?.check,
    ).toEqual({ kind: 'tcp', port: 81 })
    expect(readinessOf(null, [])).toEqual({ probe: null, derived: true })
  })

  test('the deadline follows from the five numbers', () => {
    expect(
      readyDeadline({ check: { kind: 'tcp', port: 1 }, initialDelay: 10, period: 2, timeout: 3, successThreshold: 1, failureThreshold: 4 }),
    ).toBe(30 + 10 + 2 * 5 + 3)
  })
})

describe('explanations', () => {
  const exit = { code: 1, outOfMemory: false, signal: null, at: '', startedAt: null, byHand: false, liveness: null }
  test.each([
    [{ ...exit, outOfMemory: true, code: 137 }, 'OutOfMemory', /Raise memory/],
    [{ ...exit, byHand: true, code: 137 }, 'KilledFromOutside', /berth app stop/],
    [{ ...exit, code: 127 }, 'CommandNotFound', /entrypoint/],
    [{ ...exit, code: 0 }, 'Ended', /foreground/],
    [exit, 'Crashed', /berth app logs/],
  ])('%j is %s', (of, reason, remedy) => {
    expect(explainExit('i', of, 0)).toMatchObject({ reason })
    expect(explainExit('i', of, 0).remedy).toMatch(remedy)
  })
})

describe('networks of this machine', () => {
  test('are read from its routes, without the default one', () => {
    const table =
      'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n br0\t0000E70A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\n'
    expect(hostRoutes(table)).toEqual(['10.231.0.0/24', '172.17.0.0/16'])
  })
})

describe('build limits', () => {
  test('are written to the group of BuildKit, in the words of cgroup v1 or v2', () => {
    const limits = { cpuMilli: 1500, memoryGib: 2 }
    const v1 = mkdtempSync(join(tmpdir(), 'berth-cgroup-'))
    expect(limitFiles(limits, v1)).toContainEqual([join(v1, 'cpu/docker/buildkit/cpu.cfs_quota_us'), '150000'])
    expect(limitFiles(limits, v1)).toContainEqual([join(v1, 'memory/docker/buildkit/memory.limit_in_bytes'), String(2 * 1024 ** 3)])
    writeFileSync(join(v1, 'cgroup.controllers'), '')
    expect(limitFiles(limits, v1)).toContainEqual([join(v1, 'docker/buildkit/cpu.max'), '150000 100000'])
    rmSync(v1, { recursive: true })
  })
})

describe('small things', () => {
  test('durations are ISO 8601', () => {
    expect(durationOf(new Date(0), new Date(80_000))).toBe('PT1M20S')
    expect(durationOf(null, null)).toBe('PT0S')
    expect(durationOf(new Date(0), new Date(3_600_000))).toBe('PT1H')
  })

  test('equal values have equal canonical text', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.integer()),
        (value) => void expect(canonical(Object.fromEntries(Object.entries(value).reverse()))).toBe(canonical(value)),
      ),
    )
  })

  test('progress goes between the report and the last flush of a push', () => {
    const body = Buffer.concat([progressPacket('report'), Buffer.from('0000')])
    expect(splitBeforeFlush(body)?.map((part) => part.toString())).toEqual([progressPacket('report').toString(), '0000'])
    expect(splitBeforeFlush(Buffer.from('no side band'))).toBeUndefined()
    expect(progressPacket('x').toString('latin1')).toBe('0006\u0002x')
  })
})
