/**
 * The tokens of the connections that stand: checked when they come, watched until they expire, exchanged for fresh ones,
 * and revoked.
 */
import { SessionError, type CloseReason, type Report } from '../shared/errors.ts'
import { SESSION_NAME } from '../shared/limits.ts'
import { agentOfControl } from '../shared/wire.ts'
import { opens, type Access, type Grant } from './access.ts'
import { TokenClock } from './token-clock.ts'

/** A connection whose token is watched. */
export interface TokenHolder {
  /** The session, or the control document, that it is connected to. */
  readonly documentName: string
  requestToken(): void
  refuse(reason: CloseReason): void
}

/** Whose tokens are revoked: a participant's, all of a session's, or a participant's for one session. */
export interface RevokeTarget {
  readonly participant?: string
  readonly session?: string
}

export interface GrantsOptions {
  readonly access: Access
  readonly report: Report
  /** How long a connection may stand on an expired token while its client is asked for a fresh one, in milliseconds. */
  readonly graceMs: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

interface Held {
  grant: Grant
  readonly clock: TokenClock
  /** A fresh token is being verified; others are not looked at meanwhile. */
  refreshing: boolean
}

export class Grants {
  readonly #options: GrantsOptions
  readonly #held = new Map<TokenHolder, Held>()
  /** Epoch milliseconds of the last revocation, by participant and session. */
  readonly #revoked = new Map<string, number>()

  constructor(options: GrantsOptions) {
    this.#options = options
  }

  /** Verifies a token for a document: what it grants, or why it does not. */
  async check(token: string, documentName: string): Promise<Grant | CloseReason> {
    if (agentOfControl(documentName) === null && !SESSION_NAME.test(documentName)) return 'bad-session-name'
    let grant: Grant | null
    try {
      grant = await this.#options.access(token)
    } catch (error) {
      this.#options.report(error, { stage: 'access' })
      return 'unavailable'
    }
    return grant === null ? 'bad-token' : (this.#objection(grant, documentName) ?? grant)
  }

  /** Watches the token of a connection from now on. It may have run out, or been revoked, since it was checked. */
  hold(holder: TokenHolder, grant: Grant): void {
    const { now, graceMs } = this.#options
    const clock = new TokenClock({ now, graceMs, ask: () => holder.requestToken(), end: () => holder.refuse('bad-token') })
    this.#held.set(holder, { grant, clock, refreshing: false })
    clock.set(grant.expiresAt)
    const objection = this.#objection(grant, holder.documentName)
    if (objection !== null) holder.refuse(objection)
  }

  /** Whether the token of a connection opens a session, besides the document that it is connected to. */
  mayOpen(holder: TokenHolder, session: string): boolean {
    const held = this.#held.get(holder)
    return held !== undefined && opens(held.grant, session)
  }

  release(holder: TokenHolder): void {
    this.#held.get(holder)?.clock.stop()
    this.#held.delete(holder)
  }

  /**
   * Puts a fresh token in the place of the one that a connection came with. Its participant must be the same one and it must
   * name the session; a token that does not ends the connection. Its name counts from the next connection on.
   */
  refresh(holder: TokenHolder, token: string): void {
    const held = this.#held.get(holder)
    if (held === undefined || held.refreshing) return
    held.refreshing = true
    const verified = this.check(token, holder.documentName).then((grant) => {
      held.refreshing = false
      if (this.#held.get(holder) !== held) return
      // The keys cannot be had at the moment: the grace decides.
      if (grant === 'unavailable') return
      if (typeof grant === 'string') return holder.refuse(grant)
      const { participant } = held.grant
      if (grant.participant.id !== participant.id || grant.participant.kind !== participant.kind)
        return holder.refuse('forbidden')
      held.grant = grant
      held.clock.set(grant.expiresAt)
    })
    verified.catch((error: unknown) => this.#options.report(error, { stage: 'access' }))
  }

  /** Ends the connections of the target, and refuses its tokens that were issued until now. */
  revoke(target: RevokeTarget): void {
    const { participant, session } = target
    if (participant === undefined && session === undefined) {
      throw new SessionError('bad-argument', 'revoke needs a participant, a session, or both.')
    }
    this.#revoked.set(keyOf(participant, session), this.#options.now())
    this.recheck()
  }

  /** Ends the connections whose tokens are revoked or withdrawn by now. */
  recheck(): void {
    for (const [holder, { grant }] of this.#held) {
      if (this.#isRevoked(grant, holder.documentName)) holder.refuse('bad-token')
    }
  }

  #objection(grant: Grant, documentName: string): CloseReason | null {
    if (grant.expiresAt <= this.#options.now() || this.#isRevoked(grant, documentName)) return 'bad-token'
    return opens(grant, documentName) ? null : 'forbidden'
  }

  #isRevoked(grant: Grant, documentName: string): boolean {
    if (grant.isWithdrawn?.() === true) return true
    if (this.#revoked.size === 0) return false
    const { id } = grant.participant
    // `iat` has no fractions: a token of the same second may be older than the revocation, and counts as older.
    return [keyOf(id, undefined), keyOf(undefined, documentName), keyOf(id, documentName)].some(
      (key) => grant.issuedAt <= (this.#revoked.get(key) ?? Number.NEGATIVE_INFINITY),
    )
  }
}

/** As JSON, no two targets have one key, whatever text an id is. */
function keyOf(participant: string | undefined, session: string | undefined): string {
  return JSON.stringify([participant ?? null, session ?? null])
}
