/** What has become of what one has asked, in words. */
import type { InputVerdict, RunVerdict } from 'polylogue'

const WORDS: Readonly<Record<string, string>> = {
  queued: 'Your message waits in the queue',
  steering: 'Change accepted',
  taken: 'Change taken',
  asks: 'Written a while ago: send it now?',
  removed: 'Message taken back',
}

/** Of one's message, for those who hear it. */
export function verdictWords({ state, text }: InputVerdict): string {
  return text === undefined ? (WORDS[state] ?? '') : LATE
}

/** The edit of a message that an agent had by then. */
export const LATE = 'Your change came too late'

const NO_OTHER: Readonly<Record<string, string>> = {
  forbidden: 'only whoever has asked the question may ask for it',
  human: 'the assistant is paused',
  stale: 'it was asked for too long ago',
  removed: 'the question was taken back',
  limit: 'there are as many as there can be',
  busy: 'one is under way already',
}

/** Of what was refused. */
export function refusalWords({ about, reason = 'refused' }: RunVerdict): string {
  return about === 'cancel' ? `Not cancelled: ${reason}.` : `No other answer: ${NO_OTHER[reason] ?? reason}.`
}
