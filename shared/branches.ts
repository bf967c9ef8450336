/**
 * Alternatives, and which messages belong to which (SPEC §3, branches). Pure.
 *
 * Only what somebody has done on purpose makes an alternative: an edit of one's own message, and another answer that was asked
 * for. What is written at the same time, or offline, stays in one line: a message belongs to the alternative that was the
 * newest when it took its place in the order, unless its author was looking at another one and says so by its `parent`; and an
 * edit leaves behind only what its author had seen.
 */

/** A message as far as branches go. */
export interface BranchMessage {
  readonly id: string
  readonly role: string
  /** The verified author, once it is stamped. */
  readonly by: string
  /** Epoch milliseconds by its author's clock. */
  readonly at: number
  /** Its place in the order; `Infinity` while it has none. */
  readonly seq: number
  readonly parent?: string | undefined
  readonly run?: string | undefined
  readonly edits?: string | undefined
  readonly seen?: number | undefined
}

/** What makes a run another answer to an input that has one: a field of its head, which the server alone writes. */
export interface Again {
  /** The run whose answer it stands beside. */
  readonly run: string
  /** Who asked for it, when by their clock, and the last place in the order that they knew of. */
  readonly by: string
  readonly at: number
  readonly seen: number
  /** The last place in the order that was given when it was made. */
  readonly seq: number
}

export interface AnotherRun {
  readonly id: string
  readonly input: string
  readonly again: Again
}

/** One's own choices: for the first of some alternatives, those one wants to see, the first that is there. */
export type Choices = ReadonlyMap<string, readonly string[]>

/** Alternatives to each other, oldest first: ids of messages, or of the runs of replies. */
interface Fork {
  readonly ids: string[]
  readonly nodes: Map<string, Node>
  /** The branch in which all of them stand; undefined as long as none of them has its place. */
  up: Branch | undefined
}

/** Within one alternative. */
interface Node {
  readonly fork: Fork
  readonly id: string
}

/** The innermost alternative that a message is in; null: in none. */
type Branch = Node | null

/**
 * So many places back an edit looks for messages that its author had not seen; one that is further back stays with what was
 * edited. Without an end, somebody who edits without end would hold up every reader.
 */
const LOOK_BACK = 256

export class Branches {
  readonly #messages: readonly BranchMessage[]
  readonly #ofMessages = new Map<string, Fork>()
  readonly #ofRuns = new Map<string, Fork>()
  readonly #within = new Map<string, Branch>()
  /** The message whose branch a message is in, or the alternatives of a list are: one that stood before them. */
  readonly #anchors = new Map<Fork | string, string>()
  /** Where a message goes that says nothing else. */
  #line: Branch = null

  /** @param messages in the order of the session. @param runs in the order in which they were made. */
  constructor(messages: readonly BranchMessage[], runs: readonly AnotherRun[]) {
    this.#messages = messages
    const before = new Map<string, BranchMessage>()
    for (const message of messages) {
      const old = before.get(message.edits ?? '')
      // What is another's cannot be replaced, nor what comes later.
      if (isInput(old) && isInput(message) && old.by === message.by) join(this.#ofMessages, old.id, message.id)
      before.set(message.id, message)
    }
    for (const { again, id } of runs) join(this.#ofRuns, again.run, id)
    if (this.#ofMessages.size + this.#ofRuns.size === 0) return
    let next = 0
    for (const [i, message] of messages.entries()) {
      for (let run = runs[next]; run !== undefined && run.again.seq < message.seq; run = runs[++next]) this.#answer(run, i)
      this.#place(message, i)
    }
    for (const run of runs.slice(next)) this.#answer(run, messages.length)
  }

  get all(): readonly string[] {
    return this.#messages.map(({ id }) => id)
  }

  /** The last place in the order that was given; 0: none. */
  get lastSeq(): number {
    return this.#messages.findLast(({ seq }) => seq < Infinity)?.seq ?? 0
  }

  /** The alternatives to a message or to a run's answer, oldest first; undefined where there are none. */
  of(message: string, run?: string): readonly string[] | undefined {
    return this.#forkOf(message, run)?.ids
  }

  /** Ids of the messages that are shown, and whether that is another line than the one without any choices. */
  shown(choices: Choices): { readonly ids: readonly string[]; readonly isChosen: boolean } {
    const known = new Map<Branch, boolean>([[null, true]])
    const isShown = (branch: Branch): boolean => {
      let is = known.get(branch)
      if (is === undefined && branch !== null) {
        is = chosenOf(branch.fork.ids, choices) === branch.id && isShown(branch.fork.up ?? null)
        known.set(branch, is)
      }
      return is === true
    }
    const ids = this.all.filter((id) => isShown(this.#within.get(id) ?? null))
    const forks = choices.size === 0 ? [] : [...this.#ofMessages.values(), ...this.#ofRuns.values()]
    const isChosen = forks.some(({ ids: all, up = null }) => chosenOf(all, choices) !== all.at(-1) && isShown(up))
    return { ids, isChosen }
  }

  /** The choices that lead to a message, or to a run's answer. */
  pathTo(message: string, run?: string): Map<string, readonly string[]> {
    const path = new Map<string, readonly string[]>()
    const fork = this.#ofRuns.get(run ?? '')
    let branch = fork === undefined ? this.#within.get(message) : nodeOf(fork, run ?? '')
    for (; branch != null; branch = branch.fork.up) path.set(branch.fork.ids[0] ?? '', [branch.id])
    return path
  }

  #forkOf(message: string, run: string | undefined): Fork | undefined {
    return run === undefined ? this.#ofMessages.get(message) : this.#ofRuns.get(run)
  }

  #place(message: BranchMessage, i: number): void {
    const { id, run, parent = '' } = message
    const fork = this.#forkOf(id, run)
    const own = run ?? id
    const up = this.#within.get(parent)
    const around = up === undefined ? this.#line : up
    const isFirst = own === fork?.ids[0] && fork.up === undefined
    if (up !== undefined && (fork === undefined || isFirst)) this.#anchors.set(fork ?? id, parent)
    if (fork === undefined) {
      this.#within.set(id, around)
      return
    }
    if (isFirst) {
      fork.up = around
      if (this.#isOnLine(around)) this.#line = nodeOf(fork, own)
    } else if (run === undefined) this.#enter(fork, id, message, i)
    this.#within.set(id, nodeOf(fork, own))
  }

  #answer({ id, input, again }: AnotherRun, i: number): void {
    const fork = this.#ofRuns.get(id)
    if (fork === undefined) return
    // What it stands beside has said nothing yet, so there is nothing that came after that.
    if (fork.up === undefined) {
      fork.up = this.#within.get(input) ?? null
      this.#anchors.set(fork, input)
    }
    this.#enter(fork, id, again, i)
  }

  /** From here on another alternative is the newest one. */
  #enter(fork: Fork, id: string, alternative: Seeing, i: number): void {
    if (!this.#isOnLine(fork.up ?? null)) return
    const left = new Set<Branch>()
    for (let branch = this.#line; branch !== null && branch !== fork.up; branch = branch.fork.up ?? null) left.add(branch)
    this.#line = nodeOf(fork, id)
    for (let at = Math.max(0, i - LOOK_BACK); at < i; at++)
      this.#catchUp(this.#messages[at] as BranchMessage, fork, alternative, left)
  }

  /** A message that whoever made an alternative had not seen goes on in it, and what answers that message too. */
  #catchUp(message: BranchMessage, fork: Fork, alternative: Seeing, left: ReadonlySet<Branch>): void {
    const { id, run } = message
    const own = this.#forkOf(id, run)
    if (own === fork) return
    const now = own === undefined ? this.#within.get(id) : own.up
    const isLeft = hasSeen(alternative, message) || !left.has(now ?? null)
    const anchor = this.#anchors.get(own ?? id)
    const next = anchor === undefined ? (isLeft ? now : this.#line) : this.#within.get(anchor)
    if (own === undefined) this.#within.set(id, next ?? null)
    else if (anchor !== undefined || own.ids[0] === (run ?? id)) own.up = next
  }

  #isOnLine(branch: Branch): boolean {
    let at = this.#line
    while (at !== branch && at !== null) at = at.fork.up ?? null
    return at === branch
  }
}

/** Who made an alternative, when by their clock, and the last place in the order that they knew of. */
type Seeing = Pick<BranchMessage, 'by' | 'at' | 'seen'>

/** Whether the author of an edit, or whoever wanted another answer, knew of a message: by its place, or as their own. */
export function hasSeen({ seen = Infinity, by, at }: Seeing, message: Pick<BranchMessage, 'by' | 'at' | 'seq'>): boolean {
  return message.seq <= seen || (message.by === by && message.at <= at)
}

/** Of some alternatives the one that is shown: what was chosen, else the newest. */
export function chosenOf(ids: readonly string[], choices: Choices): string | undefined {
  return choices.get(ids[0] ?? '')?.find((id) => ids.includes(id)) ?? ids.at(-1)
}

/** What a run has written is no input, whatever it says of its role. */
function isInput(message: BranchMessage | undefined): message is BranchMessage {
  return message?.role === 'user' && message.run === undefined
}

function join(forks: Map<string, Fork>, old: string, id: string): void {
  let fork = forks.get(old)
  if (fork === undefined) forks.set(old, (fork = { ids: [old], nodes: new Map(), up: undefined }))
  fork.ids.push(id)
  forks.set(id, fork)
}

function nodeOf(fork: Fork, id: string): Node {
  let node = fork.nodes.get(id)
  if (node === undefined) fork.nodes.set(id, (node = { fork, id }))
  return node
}
