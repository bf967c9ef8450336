/** A language model that gives what a test says, one list of parts per call. */
import { MockLanguageModelV4 } from 'ai/test'
import { Gate } from './agent.ts'

type Result = Awaited<ReturnType<MockLanguageModelV4['doStream']>>
export type ModelPart = Result['stream'] extends ReadableStream<infer Part> ? Part : never

const USAGE = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
}

/** A gate among the parts is waited for. */
export function modelOf(...calls: readonly (readonly (ModelPart | Gate)[])[]): MockLanguageModelV4 {
  let call = 0
  return new MockLanguageModelV4({
    doStream: async ({ abortSignal }) => {
      const parts = calls[call++] ?? []
      const stream = new ReadableStream<ModelPart>({
        async start(controller) {
          abortSignal?.addEventListener('abort', () => controller.error(abortSignal.reason))
          for (const part of parts) {
            if (part instanceof Gate) await part.passed
            else if (abortSignal?.aborted !== true) controller.enqueue(part)
          }
          if (abortSignal?.aborted !== true) controller.close()
        },
      })
      return { stream }
    },
  })
}

export const says = (...words: string[]): ModelPart[] => [
  { type: 'text-start', id: 't' },
  ...words.map((delta): ModelPart => ({ type: 'text-delta', id: 't', delta })),
  { type: 'text-end', id: 't' },
]

export const finish = (unified: 'stop' | 'tool-calls'): ModelPart => ({
  type: 'finish',
  finishReason: { unified, raw: unified },
  usage: USAGE,
})

/** A whole answer that calls a tool. */
export const calls = (toolName: string, toolCallId: string, input: unknown): ModelPart[] => [
  { type: 'tool-call', toolCallId, toolName, input: JSON.stringify(input) },
  finish('tool-calls'),
]
