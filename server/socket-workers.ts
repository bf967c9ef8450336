/** The workers behind one socket, one for each agent, and the leases under which they write. */

/** As it says on its agent's control document. */
interface SocketWorker {
  readonly id: string
  /** Generations under which it writes its runs. */
  readonly leases: Map<string, number>
}

const NO_LEASES: ReadonlyMap<string, number> = new Map()

export class SocketWorkers {
  readonly #byAgent = new Map<string, SocketWorker>()

  set(agent: string, worker: SocketWorker): void {
    this.#byAgent.set(agent, worker)
  }

  idOf(agent: string): string | null {
    return this.#byAgent.get(agent)?.id ?? null
  }

  leasesOf(agent: string): ReadonlyMap<string, number> {
    return this.#byAgent.get(agent)?.leases ?? NO_LEASES
  }

  /** What a worker has never had it writes under this lease from the start; otherwise it says from where on it does. */
  assign(agent: string, run: string, generation: number): void {
    const leases = this.#byAgent.get(agent)?.leases
    if (leases?.has(run) === false) leases.set(run, generation)
  }

  /** It writes under this lease from now on. Only what it was given: what it says otherwise is not worth remembering. */
  renew(agent: string, run: string, generation: number): void {
    const leases = this.#byAgent.get(agent)?.leases
    if (leases?.has(run) === true) leases.set(run, generation)
  }

  forget(agent: string, run: string): void {
    this.#byAgent.get(agent)?.leases.delete(run)
  }
}
