/** From the parts that a model makes to what its two entry points give back. */
import { abortError } from '../shop/delay.ts'
import type { GenerateResult, StreamPart } from './model-types.ts'

/**
 * A stream of the parts. As soon as the caller's signal fires the stream is in error and `make`'s signal fires too, whether or
 * not anybody is reading; cancelling the stream stops the maker as well.
 */
export function streamOf(
  make: (signal: AbortSignal) => AsyncGenerator<StreamPart, void>,
  caller: AbortSignal | undefined,
): ReadableStream<StreamPart> {
  const stop = new AbortController()
  const parts = make(stop.signal)
  let onAbort: (() => void) | undefined
  const end = (): void => {
    if (onAbort) caller?.removeEventListener('abort', onAbort)
    stop.abort()
  }
  return new ReadableStream<StreamPart>({
    start(controller) {
      if (!caller) return
      onAbort = () => {
        controller.error(abortError(caller))
        end()
      }
      if (caller.aborted) onAbort()
      else caller.addEventListener('abort', onAbort, { once: true })
    },
    async pull(controller) {
      try {
        const part = await parts.next()
        if (stop.signal.aborted) return
        if (!part.done) return controller.enqueue(part.value)
        end()
        controller.close()
      } catch (error) {
        // After an abort the stream is in error already, and the maker's own AbortError is its echo.
        if (stop.signal.aborted) return
        end()
        controller.error(error)
      }
    },
    cancel: end,
  })
}

/** All parts at once, as `doGenerate` gives them. */
export async function gather(parts: AsyncGenerator<StreamPart, void>): Promise<GenerateResult> {
  const content: GenerateResult['content'] = []
  let text = ''
  for await (const part of parts) {
    if (part.type === 'text-delta') text += part.delta
    if (part.type === 'text-end') content.push({ type: 'text', text })
    if (part.type === 'tool-call') content.push(part)
    if (part.type === 'finish') return { content, finishReason: part.finishReason, usage: part.usage, warnings: [] }
  }
  throw new Error('a model ends with a finish part')
}
