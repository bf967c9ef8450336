/** Whose word counts where an agent asks before it does something. */
import type { MayApprove } from 'polylogue/server'

/**
 * Whoever has the link is in the conversation, but money goes back, and orders are taken back, only on the word of the one who
 * asked for it or of support. Viewers and agents never get here: the server lets no answer of theirs count.
 */
export const mayApprove: MayApprove = ({ from, asker }) =>
  from.kind === 'support' || from.id === asker || 'only whoever asked for this, or support, can answer'
