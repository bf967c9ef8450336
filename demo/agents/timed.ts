/**
 * How long thoughts, tools and the whole run have taken, as parts of the reply behind them: `data-took`, with the id of the call,
 * `thought` or `run`, in `data.of`. The document has no times of parts, nor of ends; these are there after a reload and in every
 * window.
 */
import type { UIMessageChunk } from 'ai'

/** Passes a stream on, with a part behind each thought and each tool's result that says how long it took, in milliseconds. */
export async function* timed(
  stream: AsyncIterable<UIMessageChunk>,
  now: () => number = () => performance.now(),
): AsyncGenerator<UIMessageChunk, void> {
  const startedAt = now()
  // A call that was approved meanwhile begins with the stream; what people needed for their answer is not its time.
  const began = new Map<string, number>()
  const took = (of: string, key: string): UIMessageChunk => ({
    type: 'data-took',
    data: { of, ms: Math.round(now() - (began.get(key) ?? startedAt)) },
  })
  for await (const chunk of stream) {
    if (chunk.type === 'reasoning-start') began.set(chunk.id, now())
    if (chunk.type === 'tool-input-available') began.set(chunk.toolCallId, now())
    yield chunk
    if (chunk.type === 'reasoning-end') yield took('thought', chunk.id)
    const isOver = chunk.type === 'tool-output-available' || chunk.type === 'tool-output-error'
    if (isOver) yield took(chunk.toolCallId, chunk.toolCallId)
  }
}

/** A stream of nothing but the part that says how long a run took. */
export async function* tookInAll(ms: number): AsyncGenerator<UIMessageChunk, void> {
  yield { type: 'data-took', data: { of: 'run', ms: Math.round(ms) } }
}
