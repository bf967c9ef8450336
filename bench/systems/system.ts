/**
 * What a benchmark asks of each system it compares: the same three roles, each in a process of its own.
 *
 *   agent ──► server ──► viewer       a token's way; one socket for the agent, one for each viewed session
 */

/** Where a server is, and how to get in. */
export interface Address {
  readonly url: string
  readonly agentToken: string
  readonly viewerToken: string
  /** Of one more participant, where that matters. */
  readonly attackerToken?: string
  /** The database, where there is one. */
  readonly file?: string
}

/** Appends a token to the text that an agent streams in one session. */
export type Write = (token: string) => void

/** Told by a viewer whenever more of a session's streamed text is there to be shown: its length so far. */
export type Seen = (session: number, chars: number) => void

export interface ServerRole {
  start(): Promise<Address>
}

export interface AgentRole {
  /** Resolves with a writer per session when each can be written to. Called for batches of sessions. */
  open(address: Address, sessions: readonly string[]): Promise<Write[]>
  close(): Promise<void>
}

export interface ViewerRole {
  /** Resolves when each session would show what is written from now on. `first` is the number of the first one. */
  open(address: Address, sessions: readonly string[], first: number, seen: Seen): Promise<void>
  close(): Promise<void>
}

export interface AgentOptions {
  /** Each token must be sent by itself, however fast they come: they are being taped (`load/tape.ts`). */
  readonly eachAlone: boolean
}

export interface System {
  readonly server: () => ServerRole
  readonly agent: (options: AgentOptions) => AgentRole
  readonly viewer: () => ViewerRole
}
