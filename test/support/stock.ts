/** Hocuspocus as it is shipped, server and client, to show what a test of ours would find there. */
import { DatabaseSync } from 'node:sqlite'
import { HocuspocusProvider } from '@hocuspocus/provider'
import { onTestFinished } from 'vitest'
import * as Y from 'yjs'
import type { StockSettings } from '../fixtures/stock-server.ts'
import { startChild, type Child } from './child.ts'
import { until } from './wait.ts'

export async function startStock(file: string): Promise<{ readonly child: Child; readonly url: string }> {
  const settings: StockSettings = { file }
  const child = startChild('stock-server.ts', [JSON.stringify(settings)])
  const { url } = await child.said('listening')
  return { child, url: url as string }
}

/** A provider that is in step with its server. */
export async function openStock(url: string, name: string): Promise<HocuspocusProvider> {
  const provider = new HocuspocusProvider({ url, name, document: new Y.Doc() })
  onTestFinished(() => provider.destroy())
  await until(() => provider.synced && !provider.hasUnsyncedChanges, { what: `a stock provider of ${name} to be in step` })
  return provider
}

/** What the stock server has stored of a document. */
export function storedByStock(file: string, name: string): Y.Doc {
  const db = new DatabaseSync(file)
  const row = db.prepare('select data from documents where name = ?').get(name)
  db.close()
  const doc = new Y.Doc()
  if (row !== undefined) Y.applyUpdate(doc, row['data'] as Uint8Array)
  return doc
}
