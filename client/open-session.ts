/** What `openSession` takes and gives. */
import type { Report } from '../shared/errors.ts'
import type { ClientTool } from './client-tools.ts'
import type { RefusedWrites } from './quarantine.ts'
import type { Session } from './session.ts'

export interface OpenOptions {
  /** The server's address, for example `wss://chat.example.com/sync`. */
  readonly url: string
  /** Session id: letters, digits, `_` and `-`, 1 to 64, beginning with a letter or digit. */
  readonly id: string
  /** A JSON Web Token, or a function that fetches one; called for each connection. */
  readonly token: string | (() => string | Promise<string>)
  /** Keep a replica on the device, and share it between tabs. Default: true where there is IndexedDB. */
  readonly offline?: boolean
  /** Where background failures go. Default: `console.error`. */
  readonly onError?: Report
}

export interface OpenSession extends Session {
  /**
   * Resolves when the session shows what this device has and can be written to, or is closed. Rejects when no identity can be
   * had.
   */
  readonly ready: Promise<void>
  /**
   * Offers tools that agents can call in this tab, by name; gives the function that takes them away. A call goes to one tab of
   * whoever wrote the run's input. Throws `SessionError` (`bad-argument`) for what is no function.
   */
  tools(tools: Readonly<Record<string, ClientTool>>): () => void
  /**
   * Answers a call of a client's tool by hand, with its output (JSON) or, with `errorText`, as failed; works offline. The first
   * answer counts. A large output (above 64 KB) is put to the server first; resolves when the answer is written. Rejects with
   * `SessionError`: `not-found` when no such call waits, `forbidden`, `too-big`, `closed`.
   */
  respond(call: string, output: unknown, options?: { readonly errorText?: string }): Promise<void>
  /**
   * Answers an approval, by its id or that of the tool call; works offline. The first answer counts, and the server may refuse
   * it: that stands in the part then (`call.refused`). Throws `SessionError`: `not-found`, `bad-argument`, `forbidden`, `closed`.
   */
  approve(id: string, approved: boolean, reason?: string): void
  /**
   * Fetches a value that lies beside the session, from its reference. Rejects with `SessionError`: `bad-argument`, `not-found`,
   * `forbidden`; or with what `fetch` rejects with.
   */
  fetchOutput(reference: unknown): Promise<unknown>
  /** Resolves when everything written so far is stored at the server. Rejects when the session is closed before. */
  stored(): Promise<void>
  /**
   * What the server has refused and will not get by itself: messages that were sent again and refused again, and fields of
   * shared objects, which others may have changed since. Null: nothing. Listeners of `status` are told when it changes.
   */
  readonly refused: RefusedWrites | null
  /** Writes what was refused once more, over what is there by now. */
  restoreRefused(): void
  /** Gives up what was refused; it is removed from this device. */
  discardRefused(): void
  /** Tries at once: after a refusal with a new token, or when the app knows that the network is back. */
  reconnect(): void
  /** Lets go of everything; nothing is delivered afterwards. Never cancels a run. What is unsent stays on the device. */
  close(): Promise<void>
  /** Closes, and removes the session from this device: for signing out. Unsent writes are lost. */
  wipe(): Promise<void>
}
