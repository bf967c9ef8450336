/**
 * The gateway for plain Yjs clients: `/yjs/SESSION?token=TOKEN` speaks what `y-websocket` does. Each of their sockets is an
 * ordinary connection to one session, under the same rules; only the frames are translated:
 *
 *   theirs: type, body                 ours: address, type, body
 *   token in the address               an authentication frame
 *   2 (denied), then closed            a refusal, or the end of the document
 *   -                                  acknowledgements and stateless messages
 *
 * Their client takes close codes 44xx as final and tries again after any other.
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { CLOSE_REASONS, readCloseReason } from '../shared/errors.ts'
import { SESSION_NAME } from '../shared/limits.ts'
import { FRAME } from './frames.ts'
import type { Sessions } from './sessions.ts'
import type { AcceptedSocket, JoinedSocket } from './socket.ts'

/** What is before the session's name in the path. */
export const GATEWAY_PATH = '/yjs/'

const FINAL_CODE = 4403
const RETRY_CODE = 4205
const AUTH_TOKEN = 0
const AUTH_DENIED = 1
/** Types that plain clients send and get. */
const PLAIN: ReadonlySet<number> = new Set([FRAME.sync, FRAME.awareness, FRAME.queryAwareness])

/**
 * Takes over a socket that was opened at `url`.
 * @param request what the host and its hooks see; without the token.
 */
export function acceptPlain(sessions: Sessions, socket: JoinedSocket, url: URL, request: Request): AcceptedSocket {
  const name = url.pathname.slice(GATEWAY_PATH.length)
  if (!SESSION_NAME.test(name)) {
    socket.close(FINAL_CODE, 'bad-session-name')
    return { handleBytes: () => {}, handleMessage: () => {}, handleClose: () => {} }
  }
  const address = encoding.encode((encoder) => encoding.writeVarString(encoder, name))
  const client = sessions.accept(translated(socket, address.byteLength), request)
  client.handleMessage(authentication(name, url.searchParams.get('token') ?? ''))
  return {
    handleBytes: (bytes) => client.handleBytes(bytes),
    handleMessage: (data) => {
      if (!PLAIN.has(data[0] ?? -1)) {
        socket.close(FINAL_CODE, 'malformed')
        return
      }
      const frame = new Uint8Array(address.byteLength + data.byteLength)
      frame.set(address)
      frame.set(data, address.byteLength)
      client.handleMessage(frame)
    },
    handleClose: (event) => client.handleClose(event),
  }
}

/** The socket as our side writes to it. All that it gets is about one session, so that the address is of one length. */
function translated(socket: JoinedSocket, addressBytes: number): JoinedSocket {
  const end = (said: string): void => {
    const reason = readCloseReason(said)
    socket.close(CLOSE_REASONS[reason].transient ? RETRY_CODE : FINAL_CODE, reason)
  }
  return {
    get readyState() {
      return socket.readyState
    },
    get bufferedAmount() {
      return socket.bufferedAmount
    },
    get isGivenUp() {
      return socket.isGivenUp
    },
    get isBehind() {
      return socket.isBehind
    },
    whenRead: (task) => socket.whenRead(task),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    send(data) {
      const body = (data as Uint8Array).subarray(addressBytes)
      const [type = -1] = body
      if (PLAIN.has(type)) return socket.send(body)
      const decoder = decoding.createDecoder(body.subarray(1))
      if (type === FRAME.close) end(decoding.readVarString(decoder))
      else if (type === FRAME.auth && decoding.readVarUint(decoder) === AUTH_DENIED) end(decoding.readVarString(decoder))
    },
    close(_code, reason) {
      end(reason ?? '')
    },
  }
}

function authentication(name: string, token: string): Uint8Array {
  return encoding.encode((encoder) => {
    encoding.writeVarString(encoder, name)
    encoding.writeVarUint(encoder, FRAME.auth)
    encoding.writeVarUint(encoder, AUTH_TOKEN)
    encoding.writeVarString(encoder, token)
    encoding.writeVarString(encoder, 'y-websocket')
  })
}
