/** How the demo's agents say how long things took. */
import type { UIMessageChunk } from 'ai'
import { expect, test } from 'vitest'
import { timed } from '../demo/agents/timed.ts'

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
