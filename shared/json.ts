/** Reading values that may be anything: what is not of the expected form becomes something harmless, nothing throws. */

/** The value if it is text, else the empty text. */
export function textIn(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/**
 * The value as JSON has it, as if it had come over a wire: a tool may return dates or class instances, and may go on writing
 * into what it has returned. Null for what JSON has no form for.
 */
export function plainJson(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null') as unknown
  } catch {
    return null
  }
}

/** What a JSON text says; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** The fields that have a value. */
export function definedOnly(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
