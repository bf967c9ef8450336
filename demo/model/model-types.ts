/** The types of a language model, by way of `ai`: its own copy of the provider package is the one that counts. */
import type { wrapLanguageModel } from 'ai'

export type Model = ReturnType<typeof wrapLanguageModel>
export type CallOptions = Parameters<Model['doStream']>[0]
export type Prompt = CallOptions['prompt']
export type StreamResult = Awaited<ReturnType<Model['doStream']>>
export type GenerateResult = Awaited<ReturnType<Model['doGenerate']>>
export type StreamPart = StreamResult['stream'] extends ReadableStream<infer Part> ? Part : never
