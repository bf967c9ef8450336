/** What a provider says that it has read or quoted, as the sources that a message shows. */
import { definedOnly, textIn } from '../json.ts'
import { asRecord } from '../layout.ts'
import type { UIStreamChunk } from '../ui-stream.ts'

/**
 * A source chunk for each citation, annotation or search result that names an address or a document; none for the others.
 * `newId` gives an id that no other source of the stream has.
 */
export function citedSources(found: readonly unknown[], newId: () => string): UIStreamChunk[] {
  return found.flatMap((value) => {
    // A chat completion's annotations hold their fields one level down.
    const outer = asRecord(value)
    const citation = asRecord(outer?.['url_citation']) ?? outer
    const source = citation === undefined ? undefined : (urlSource(citation) ?? documentSource(citation))
    return source === undefined ? [] : [{ ...source, sourceId: newId() }]
  })
}

function urlSource({ url, title }: Readonly<Record<string, unknown>>): UIStreamChunk | undefined {
  if (typeof url !== 'string' || url === '') return undefined
  return { type: 'source-url', url, ...(typeof title === 'string' ? { title } : {}) }
}

function documentSource(citation: Readonly<Record<string, unknown>>): UIStreamChunk | undefined {
  const filename = textIn(citation['filename']) || undefined
  const title = textIn(citation['document_title']) || textIn(citation['title']) || filename
  if (title === undefined || title === '') return undefined
  const mediaType = citation['type'] === 'page_location' ? 'application/pdf' : 'text/plain'
  return { type: 'source-document', mediaType, title, ...definedOnly({ filename }) }
}
