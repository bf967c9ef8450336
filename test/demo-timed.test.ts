/** How the demo's agents say how long things took. */
import type { UIMessageChunk } from 'ai'
import { expect, test } from 'vitest'
import type { MessagePart } from '../shared/message.ts'
import { timed, tookInAll } from '../demo/agents/timed.ts'
import { durationOf } from '../demo/web/cards/duration.ts'
import { tookInAll as totalOf } from '../demo/web/cards/reply-parts.ts'

test('behind each thought and result stands how long it took; a call that was approved in between counts from there', async () => {
  let now = 0
  const chunks: readonly (readonly [number, UIMessageChunk])[] = [
    [5, { type: 'reasoning-start', id: 'r' }],
    [30, { type: 'reasoning-end', id: 'r' }],
    [40, { type: 'tool-input-available', toolCallId: 'a', toolName: 't', input: {} }],
    [70, { type: 'tool-output-available', toolCallId: 'a', output: 1 }],
    [90, { type: 'tool-output-error', toolCallId: 'before', errorText: 'no' }],
  ]
  async function* stream(): AsyncGenerator<UIMessageChunk> {
    for (const [at, chunk] of chunks) {
      now = at
      yield chunk
    }
  }
  const took: unknown[] = []
  for await (const chunk of timed(stream(), () => now)) if (chunk.type === 'data-took') took.push(chunk.data)
  expect(took).toEqual([
    { of: 'thought', ms: 25 },
    { of: 'a', ms: 30 },
    { of: 'before', ms: 90 },
  ])
})

test('a reply shows how long it took in all, where its agent says', async () => {
  const parts: MessagePart[] = [{ type: 'data-took', data: { of: 'a', ms: 5 } }]
  expect(totalOf(parts)).toBeUndefined()
  for await (const chunk of tookInAll(12_345.6)) parts.push(chunk as unknown as MessagePart)
  expect(totalOf(parts)).toBe(12_346)
  expect([40, 9_949, 9_950, 59_400, 59_600, 125_000].map(durationOf)).toEqual([
    '0.0 s',
    '9.9 s',
    '10 s',
    '59 s',
    '1 min 0 s',
    '2 min 5 s',
  ])
})
