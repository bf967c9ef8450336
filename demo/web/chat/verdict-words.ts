/** What has become of one's message, for those who hear it. */
import type { InputVerdict } from 'polylogue'

const WORDS: Readonly<Record<string, string>> = {
  queued: 'Your message waits in the queue',
  steering: 'Change accepted',
  taken: 'Change taken',
  asks: 'Written a while ago: send it now?',
  removed: 'Message taken back',
}

export function verdictWords({ state }: InputVerdict): string {
  return WORDS[state] ?? ''
}
