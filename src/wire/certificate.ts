import 'reflect-metadata'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import type { Authority } from '../store/authority.ts'

x509.cryptoProvider.set(webcrypto)

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY = 86_400_000
/** Days an authority and a certificate live; a certificate is renewed when fewer than 30 are left. */
const AUTHORITY_DAYS = 3650
const CERTIFICATE_DAYS = 397
const RENEW_DAYS = 30

export type Certificate = { chain: string; key: string }

/** A certificate for names below `domain`, signed by Berth's own authority and kept in `<folder>/<domain>.{pem,key}`. */
export async function localCertificate(folder: string, domain: string, authority: Authority): Promise<Certificate> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const signer = new x509.X509Certificate(authority.certificate)
  const [certificateFile, keyFile] = [join(folder, `${domain}.pem`), join(folder, `${domain}.key`)]
  if (existsSync(certificateFile) && existsSync(keyFile)) {
    const chain = readFileSync(certificateFile, 'utf8')
    const kept = new x509.X509Certificate(chain)
    if (kept.notAfter.getTime() > Date.now() + RENEW_DAYS * DAY && (await kept.verify({ publicKey: signer, signatureOnly: true })))
      return { chain, key: readFileSync(keyFile, 'utf8') }
  }
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify'])
  const issued = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `CN=*.${domain}`,
    issuer: signer.subject,
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + CERTIFICATE_DAYS * DAY),
    signingAlgorithm: EC,
    publicKey: keys.publicKey,
    signingKey: await privateKey(authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: `*.${domain}` },
        { type: 'dns', value: domain },
      ]),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      await x509.AuthorityKeyIdentifierExtension.create(signer),
    ],
  })
  const made = { chain: issued.toString('pem'), key: await privatePem(keys.privateKey) }
  writeFileSync(keyFile, made.key, { mode: 0o600 })
  writeFileSync(certificateFile, made.chain)
  return made
}

export const authorityFile = (folder: string): string => join(folder, 'authority.pem')

/** Leaves the authority's certificate where people find it, to trust it. */
export function publishAuthority(folder: string, { certificate }: Authority): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(authorityFile(folder), certificate)
}

/** The authority that a server of the time before the database kept it has in its folder, else a new one. */
export async function firstAuthority(folder: string): Promise<Authority> {
  const keyFile = join(folder, 'authority.key')
  if (existsSync(authorityFile(folder)) && existsSync(keyFile))
    return { certificate: readFileSync(authorityFile(folder), 'utf8'), key: readFileSync(keyFile, 'utf8') }
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=Berth local authority',
    notBefore: new Date(Date.now() - DAY),
    notAfter: new Date(Date.now() + AUTHORITY_DAYS * DAY),
    signingAlgorithm: EC,
    keys: keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: certificate.toString('pem'), key: await privatePem(keys.privateKey) }
}

const privateKey = (pem: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decode(pem)[0] as ArrayBuffer, EC, false, ['sign'])

const privatePem = async (key: webcrypto.CryptoKey): Promise<string> =>
  x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')
/** 16 random bytes whose first bit is 0: a positive number in DER. */
const serial = (): string => `4${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}0`
