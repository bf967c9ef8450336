/** What an earlier attempt of a run has asked once, for the attempt that asks the same again. */
import * as Y from 'yjs'
import { readAnswer, readWaits } from '../shared/calls.ts'
import { arrayAt, asRecord, KEY, recordAt, type Entry } from '../shared/layout.ts'
import { LivePart } from '../shared/part-writer.ts'

interface EarlierCall {
  readonly index: number
  readonly part: LivePart
  /** A tool's input, or what is shown of an approval. */
  readonly about: unknown
  readonly key: string
}

export class EarlierCalls {
  /** Those that this attempt has not come to yet, in their order. */
  readonly #left: EarlierCall[] = []

  /** @param reply the reply that an earlier attempt has begun, if one has. */
  constructor(reply: Entry | undefined) {
    const parts = reply === undefined ? undefined : arrayAt(reply, KEY.parts)
    for (const [index, map] of (parts?.toArray() ?? []).entries()) {
      if (!(map instanceof Y.Map) || readWaits(map.get(KEY.waits))?.once !== true) continue
      const part = new LivePart(recordAt(map, KEY.head) ?? {})
      part.map = map as Entry
      const about = map.get(KEY.input) ?? asRecord(map.get(KEY.more))?.['data']
      this.#left.push({ index, part, about, key: callKey(String(part.head['type']), about) })
    }
  }

  /** The first one that asks for the same, and the number of parts up to it and with it; it is not given again. */
  take(type: string, about: unknown): { readonly part: LivePart; readonly parts: number } | undefined {
    const key = callKey(type, about)
    const at = this.#left.findIndex((call) => call.key === key && call.part.map?._item?.deleted === false)
    if (at === -1) return undefined
    const [{ part, index }] = this.#left.splice(at, 1) as [EarlierCall]
    return { part, parts: index + 1 }
  }

  /** Those that nobody has answered and nobody asks for any more, each with what it is about; they are not given again. */
  rest(): [LivePart, unknown][] {
    const isOpen = ({ map }: LivePart): boolean => map?._item?.deleted === false && readAnswer(map.get(KEY.answer)) === undefined
    const open = this.#left.splice(0).filter(({ part }) => isOpen(part))
    return open.map(({ part, about }) => [part, about])
  }
}

function callKey(type: string, about: unknown): string {
  return JSON.stringify([type, about ?? null])
}
