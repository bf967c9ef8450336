/** Who is here now, and what they show: typing, a cursor, whatever the app puts in. Never stored. */
import type { Awareness } from 'y-protocols/awareness'
import type { Report } from '../shared/errors.ts'
import { readParticipant, type Participant } from '../shared/participant.ts'

/** One participant who is present; several tabs of one participant are one. */
export interface PresentParticipant {
  readonly participant: Participant
  /** True when any of the participant's tabs says so. */
  readonly typing: boolean
  /** What the participant's newest tab shows. */
  readonly state: Readonly<Record<string, unknown>>
}

export class Presence {
  #awareness: Awareness
  readonly #report: Report
  readonly #listeners = new Set<() => void>()
  #others: readonly PresentParticipant[] | null = null
  #me: Participant | null = null
  /** What this participant shows. */
  #shown: Readonly<Record<string, unknown>> = {}

  constructor(awareness: Awareness, report: Report) {
    this.#awareness = awareness
    this.#report = report
    awareness.on('change', this.#onChange)
    globalThis.document?.addEventListener('visibilitychange', this.#onVisible)
  }

  /** Everybody else who is present, by name. The same array until something changes. */
  get others(): readonly PresentParticipant[] {
    return (this.#others ??= this.#read())
  }

  /**
   * Merges fields into what this participant shows, for example `{ typing: true }`. A tab that shows `{ away: true }` does not
   * count as presence: one that has the session open, but on nobody's screen.
   */
  set(fields: Readonly<Record<string, unknown>>): void {
    // Unchanged: no frame to everybody for a key press that changes nothing.
    if (Object.entries(fields).every(([key, value]) => this.#shown[key] === value)) return
    this.#show({ ...this.#shown, ...fields })
  }

  /** Calls `listener` when anybody comes, goes or shows something else; gives the function that ends it. */
  subscribe(listener: () => void): () => void {
    const entry = (): void => listener()
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  /** Appears under an identity. The server puts the verified one in its place. */
  appear(me: Participant): void {
    this.#me = me
    this.#show({ ...this.#shown, participant: me })
    this.#onVisible()
  }

  /** @internal Goes on with another replica's; what this participant shows goes along. */
  moveTo(awareness: Awareness): void {
    this.#awareness.off('change', this.#onChange)
    this.#awareness = awareness
    awareness.on('change', this.#onChange)
    awareness.setLocalState(this.#shown)
    this.#onChange()
  }

  destroy(): void {
    this.#awareness.off('change', this.#onChange)
    globalThis.document?.removeEventListener('visibilitychange', this.#onVisible)
    this.#listeners.clear()
  }

  #show(state: Readonly<Record<string, unknown>>): void {
    this.#shown = state
    // A page that goes is hidden after the provider has taken its presence away; one that is restored is shown.
    if (state['visible'] !== false || this.#awareness.getLocalState()) this.#awareness.setLocalState(state)
  }

  #read(): PresentParticipant[] {
    const byId = new Map<string, PresentParticipant>()
    for (const state of this.#awareness.getStates().values()) {
      const participant = readParticipant(state['participant'])
      if (participant === null || participant.id === this.#me?.id || state['away'] === true) continue
      // A phone that goes into a pocket does not say that nobody types any more.
      const typing = (state['typing'] === true && state['visible'] !== false) || byId.get(participant.id)?.typing === true
      byId.set(participant.id, { participant, typing, state })
    }
    return [...byId.values()].sort((a, b) => (a.participant.name < b.participant.name ? -1 : 1))
  }

  /** Whether this window is in sight: who has none in sight may be told by push what happens. Programs say nothing of it. */
  readonly #onVisible = (): void => {
    const { visibilityState } = globalThis.document ?? {}
    if (visibilityState !== undefined) this.set({ visible: visibilityState === 'visible' })
  }

  readonly #onChange = (): void => {
    this.#others = null
    for (const listener of [...this.#listeners]) {
      try {
        listener()
      } catch (error) {
        this.#report(error, { stage: 'listener', topic: 'presence' })
      }
    }
  }
}
