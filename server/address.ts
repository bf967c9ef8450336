/** From which address a request comes, as far as that can be known; for sharing out what there is, never for letting anybody in. */
import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context } from 'hono'
import { isIPv4, isIPv6 } from 'node:net'

/**
 * The network that a request comes from: an IPv4 address, or the first 64 bits of an IPv6 one, since that is the least that anybody
 * is given. Of `proxies` in front of this server each has added the address that it was called from to `X-Forwarded-For`; what
 * stands there before is what the caller says, and not looked at.
 */
export function networkOf(context: Context, proxies: number): string {
  const hops = proxies === 0 ? [] : (context.req.header('x-forwarded-for') ?? '').split(',').map((hop) => hop.trim())
  const address = hops.at(-proxies) ?? ''
  return readNetwork(proxies > 0 && hops.length >= proxies ? address : '') ?? readNetwork(peerOf(context)) ?? 'unknown'
}

function peerOf(context: Context): string {
  try {
    return getConnInfo(context).remote.address ?? ''
  } catch {
    // Called without a socket.
    return ''
  }
}

/** Null for what is no address. */
function readNetwork(text: string): string | null {
  // With a port, as some proxies write it.
  const address = text.replace(/^\[(.*)\](:\d+)?$/, '$1').replace(/^([\d.]+):\d+$/, '$1')
  const mapped = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (isIPv4(mapped)) return mapped
  if (!isIPv6(address)) return null
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::')
  const groups = head === '' ? [] : head.split(':')
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  const whole =
    tail === undefined ? groups : [...groups, ...Array.from({ length: 8 - groups.length - rest.length }, () => '0'), ...rest]
  return `${whole
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
