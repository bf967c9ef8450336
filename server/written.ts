/** What a transaction has written at a key of a map, also where it has lost against what somebody else wrote there meanwhile. */
import * as Y from 'yjs'

/**
 * Values, oldest first, of those that the transaction has added. To be called while it is observed: what has lost is gone
 * afterwards. Of several that one writer has put there before anybody had the first, the last alone is left.
 */
export function writtenAt(transaction: Y.Transaction, map: Y.Map<unknown>, key: string): unknown[] {
  const values: unknown[] = []
  for (const [client, end] of transaction.afterState) {
    const begin = transaction.beforeState.get(client) ?? 0
    const structs = transaction.doc.store.clients.get(client)
    if (structs === undefined || begin === end) continue
    for (let i = Y.findIndexSS(structs, begin); i < structs.length; i++) {
      const item = structs[i]
      if (!(item instanceof Y.Item) || item.parent !== map || item.parentSub !== key) continue
      if (item.content instanceof Y.ContentAny) values.push(...item.content.arr)
    }
  }
  return values
}
