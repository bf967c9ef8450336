/** What the support desk's list says of one conversation: made by the server, shown by the page. */
export interface DeskEntry {
  readonly id: string
  /** Beginning of the last thing that the customer wrote. */
  readonly title: string
  readonly customers: readonly string[]
  readonly state: 'agents' | 'waiting' | 'human'
  /** Why a human is wanted; name of the one who answers. */
  readonly note: string
  /** Epoch milliseconds of when somebody began to wait, or to answer; 0 while the agents answer. */
  readonly since: number
  /** Epoch milliseconds of the last message. */
  readonly at: number
  readonly messages: number
}
