/** Tells when calls of a model begin and when they are really aborted, for the agent's log; the same for every model. */
import { wrapLanguageModel } from 'ai'
import type { CallOptions, Model } from './model-types.ts'

/** What is known of a call when it is aborted. */
export interface ModelCall {
  readonly provider: string
  readonly modelId: string
  /** Pieces of text that it had streamed so far. */
  readonly textDeltas: number
  /** Milliseconds since it began. */
  readonly elapsedMs: number
}

export interface ModelLog {
  /** A call begins: never called for a run that was cancelled before. */
  readonly onStart?: (call: Pick<ModelCall, 'provider' | 'modelId'>) => void
  /** A call that was under way has ended before its time: its stream is closed and nothing more comes. Once per call. */
  readonly onAbort?: (call: ModelCall) => void
}

/** The model, with its calls reported. */
export function observed(model: Parameters<typeof wrapLanguageModel>[0]['model'], log: ModelLog): Model {
  const { provider, modelId } = model
  const begin = ({ abortSignal }: CallOptions): { count: () => void; aborted: () => void } => {
    abortSignal?.throwIfAborted()
    log.onStart?.({ provider, modelId })
    const startedAt = performance.now()
    let textDeltas = 0
    return {
      count: () => void textDeltas++,
      aborted: () => {
        log.onAbort?.({ provider, modelId, textDeltas, elapsedMs: Math.round(performance.now() - startedAt) })
      },
    }
  }
  return wrapLanguageModel({
    model,
    middleware: {
      specificationVersion: 'v4',
      wrapGenerate: async ({ doGenerate, params }) => {
        const call = begin(params)
        try {
          return await doGenerate()
        } catch (error) {
          if (params.abortSignal?.aborted) call.aborted()
          throw error
        }
      },
      wrapStream: async ({ doStream, params }) => {
        const call = begin(params)
        try {
          const result = await doStream()
          return { ...result, stream: watch(result.stream, params.abortSignal, call) }
        } catch (error) {
          if (params.abortSignal?.aborted) call.aborted()
          throw error
        }
      },
    },
  })
}

type Parts = Awaited<ReturnType<Model['doStream']>>['stream']

function watch(source: Parts, signal: AbortSignal | undefined, call: { count: () => void; aborted: () => void }): Parts {
  const reader = source.getReader()
  // Not by reading: after an abort nobody may read on, and the source's end would go unnoticed.
  reader.closed.catch(() => {
    if (signal?.aborted) call.aborted()
  })
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read()
      if (done) return controller.close()
      if (value.type === 'text-delta') call.count()
      controller.enqueue(value)
    },
    async cancel(reason) {
      await reader.cancel(reason)
      call.aborted()
    },
  })
}
