/**
 * Which participant writes under which Yjs client id, within one session. Bound at the first sign of an id, before anybody
 * else can see it, and for ever: an id that has written is never another's.
 */

export interface ReadonlyBindings {
  /** The participant of a client id. */
  get(client: number): string | undefined
  /** How many client ids a participant has. */
  count(participant: string): number
}

export class Bindings implements ReadonlyBindings {
  readonly #byClient: Map<number, string>
  readonly #counts = new Map<string, number>()

  constructor(stored: ReadonlyMap<number, string> = new Map()) {
    this.#byClient = new Map(stored)
    for (const participant of stored.values()) this.#count(participant)
  }

  get(client: number): string | undefined {
    return this.#byClient.get(client)
  }

  count(participant: string): number {
    return this.#counts.get(participant) ?? 0
  }

  /** Binds an id; one that is bound stays as it is. */
  bind(client: number, participant: string): void {
    if (this.#byClient.has(client)) return
    this.#byClient.set(client, participant)
    this.#count(participant)
  }

  #count(participant: string): void {
    this.#counts.set(participant, this.count(participant) + 1)
  }
}
