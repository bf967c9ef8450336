/** The keys by which push services know this server (VAPID, RFC 8292): given, or made once and kept in the store. */
import { createECDH } from 'node:crypto'
import { SessionError } from '../shared/errors.ts'
import type { Store } from './store.ts'

/** A key pair on P-256, as `web-push generate-vapid-keys` and others print it. */
export interface VapidKeys {
  /** Uncompressed point, 65 bytes, base64url. Browsers subscribe with it. */
  readonly publicKey: string
  /** 32 bytes, base64url. */
  readonly privateKey: string
}

const CURVE = 'prime256v1'
const NAME = 'push-keys'

/** The given keys, or those of the store, which are made on the first start. Throws `SessionError` for keys that are no pair. */
export async function vapidKeys(given: VapidKeys | undefined, store: Pick<Store, 'keep'>): Promise<VapidKeys> {
  if (given !== undefined) return checkKeys(given)
  return checkKeys(JSON.parse(await store.keep(NAME, JSON.stringify(makeKeys()))) as VapidKeys)
}

function makeKeys(): VapidKeys {
  const pair = createECDH(CURVE)
  const publicKey = pair.generateKeys('base64url')
  // Leading zeros are left out by the curve, and not by the key.
  const privateKey = Buffer.concat([Buffer.alloc(32), pair.getPrivateKey()]).subarray(-32)
  return { publicKey, privateKey: privateKey.toString('base64url') }
}

function checkKeys({ publicKey, privateKey }: VapidKeys): VapidKeys {
  const isPair = (): boolean => {
    const pair = createECDH(CURVE)
    const bytes = Buffer.from(privateKey, 'base64url')
    pair.setPrivateKey(bytes)
    return bytes.byteLength === 32 && pair.getPublicKey('base64url') === publicKey.replace(/=+$/, '')
  }
  try {
    if (isPair()) return { publicKey: publicKey.replace(/=+$/, ''), privateKey }
  } catch {
    // Told below.
  }
  throw new SessionError('bad-argument', 'push.keys must be a pair of keys on P-256, in base64url; the public one uncompressed.')
}
