/**
 * Where the server lets itself be sent: an endpoint is an address that a client names and the server posts to. So it is https on
 * the usual port, in the public internet, whatever its name leads to at the moment of the call.
 */
import { lookup, type LookupAddress } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/** Longest endpoint, in characters; those of the push services in use have fewer than 600. */
const MAX_ENDPOINT_CHARS = 2_048

/** Networks that are not the public internet (RFC 6890 and its registries), and what leads into them. */
const PRIVATE = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE.addSubnet(network, bits, 'ipv4')
}

/** What of IPv6 is given out to the public; translations into IPv4 (NAT64, 6to4, Teredo) are not meant. */
const PUBLIC_IPV6 = new BlockList()
PUBLIC_IPV6.addSubnet('2000::', 3, 'ipv6')
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  PRIVATE.addSubnet(network, bits, 'ipv6')
}

export interface EndpointRules {
  /** Also http, and any port, on this machine. */
  readonly loopback: boolean
  /** The app's own say. */
  readonly mayPush: ((endpoint: URL) => boolean) | undefined
}

/** Why nothing is pushed to an endpoint; null where it may be. Names are looked up only when it is called. */
export function objectionTo(endpoint: unknown, { loopback, mayPush }: EndpointRules): string | null {
  if (typeof endpoint !== 'string' || endpoint.length > MAX_ENDPOINT_CHARS) {
    return `An endpoint is an address of at most ${MAX_ENDPOINT_CHARS} characters.`
  }
  const url = URL.parse(endpoint)
  if (url === null) return 'The endpoint is no address.'
  if (url.username !== '' || url.password !== '') return 'An endpoint has no name and password.'
  const host = hostOf(url)
  const isLocal = loopback && isLoopback(host)
  if (url.protocol !== 'https:' && !(isLocal && url.protocol === 'http:')) return 'An endpoint is https.'
  if (url.port !== '' && !isLocal) return 'An endpoint is on the port of https.'
  if (isIP(host) !== 0 && !isLocal && !isPublic(host)) return 'An endpoint is in the public internet.'
  return mayPush?.(url) === false ? 'Nothing is pushed to this endpoint.' : null
}

/** A name that leads out of the public internet. */
export class PrivateAddress extends Error {}

/** How long one question to a name server may take, and how often it is asked. */
const LOOKUP_MS = 2_000
const LOOKUP_TRIES = 2

/**
 * Looks names up, and gives none that leads to where the server must not be sent. It asks the name servers itself: Node's own
 * way is one of four threads, which the check of a token needs too, and which a name that is never answered would hold for seconds.
 */
export function guardedLookup(loopback: boolean): LookupFunction {
  return (hostname, options, callback) => {
    const take = (addresses: readonly LookupAddress[]): void => {
      const allowed = addresses.filter(({ address }) => isPublic(address) || (loopback && isLoopback(address)))
      const [first] = allowed
      if (first === undefined) return callback(new PrivateAddress('Its name leads out of the public internet.'), '')
      if (options.all === true) callback(null, allowed)
      else callback(null, first.address, first.family)
    }
    // Of this machine, which no name server knows.
    if (isLoopback(hostname)) {
      return lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
        if (error === null) take(addresses)
        else callback(error, '')
      })
    }
    const fail = (error: NodeJS.ErrnoException): void => callback(error, '')
    resolve(hostname).then(take, fail)
  }
}

async function resolve(hostname: string): Promise<LookupAddress[]> {
  const resolver = new Resolver({ timeout: LOOKUP_MS, tries: LOOKUP_TRIES })
  const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
  if (four.status === 'rejected' && six.status === 'rejected') throw four.reason
  return [
    ...(four.status === 'fulfilled' ? four.value.map((address) => ({ address, family: 4 })) : []),
    ...(six.status === 'fulfilled' ? six.value.map((address) => ({ address, family: 6 })) : []),
  ]
}

/** The host without the brackets of IPv6. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function isPublic(address: string): boolean {
  if (isIP(address) === 4) return !PRIVATE.check(address, 'ipv4')
  return PUBLIC_IPV6.check(address, 'ipv6') && !PRIVATE.check(address, 'ipv6')
}

function isLoopback(host: string): boolean {
  return host === '::1' || host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.'))
}
