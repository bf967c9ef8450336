import { expect, test } from 'vitest'
import * as Y from 'yjs'
import { rootsOf } from '../../shared/layout.ts'
import { MessageWriter } from '../../shared/part-writer.ts'
import { UIStreamFold } from '../../shared/ui-stream.ts'

test('an answer that is made of several streams has used what all of them have (STR-5)', () => {
  const doc = new Y.Doc()
  const head = { id: 'm', role: 'assistant', by: 'a', kind: 'agent', at: 1, run: 'r' } as const
  const fold = new UIStreamFold(new MessageWriter(rootsOf(doc).messages, head))
  for (const [inputTokens, outputTokens] of [
    [10, 2],
    [30, 4],
  ]) {
    fold.apply({ type: 'start' })
    // Told again within one stream it is the same, grown.
    fold.apply({ type: 'message-metadata', messageMetadata: { usage: { inputTokens, outputTokens: 1 } } })
    fold.apply({ type: 'finish', messageMetadata: { usage: { inputTokens, outputTokens } } })
  }
  expect(fold.end.usage).toEqual({ inputTokens: 40, outputTokens: 6 })
})
