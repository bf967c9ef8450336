/** Values as JSON has them. Of those that may be anything: what is not of the expected form becomes something harmless. */
import { SessionError } from './errors.ts'
import { MAX_VALUE_CHARS, MAX_VALUE_DEPTH } from './limits.ts'

/** With room for what a value stands in. */
const KEPT_DEPTH = MAX_VALUE_DEPTH - 10

/** The value if it is text, else the empty text. */
export function textIn(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/**
 * The value as JSON has it. Throws a `TypeError` for what JSON has no form for, such as a circle, and `SessionError` for a key
 * `__proto__`, which Yjs cannot keep.
 */
export function jsonOf(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, refuseProto) ?? 'null') as unknown
}

/** As `jsonOf`, and throws `SessionError` too for what a document cannot hold: what nests too deeply, or is too large. */
export function keptJson(value: unknown): unknown {
  const plain = jsonOf(value)
  if (isDeeper(plain, KEPT_DEPTH)) throw new SessionError('bad-argument', `A value may nest ${KEPT_DEPTH} deep.`)
  if (JSON.stringify(plain).length <= MAX_VALUE_CHARS) return plain
  throw new SessionError('too-big', `A value may have ${MAX_VALUE_CHARS} characters.`)
}

function refuseProto(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new SessionError('bad-argument', 'A key must not be `__proto__`.')
  return value
}

/**
 * The value as JSON has it, as if it had come over a wire: a tool may return dates or class instances, and may go on writing
 * into what it has returned. Null for what JSON has no form for. What cannot stand in a document as it is stands there as the
 * text of its JSON: an object with a key `__proto__`, and all of a value that is nested too deeply or would be too large.
 */
export function plainJson(value: unknown): unknown {
  try {
    const json = JSON.stringify(value) ?? 'null'
    if (json.length > MAX_VALUE_CHARS) return `${json.slice(0, MAX_VALUE_CHARS).toWellFormed()}… (${json.length} characters)`
    const plain = JSON.parse(json) as unknown
    if (isDeeper(plain, KEPT_DEPTH)) return json
    return json.includes('"__proto__"') ? withoutProto(plain) : plain
  } catch {
    return null
  }
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((each) => isDeeper(each, depth - 1))
}

function withoutProto(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(withoutProto)
  if (Object.hasOwn(value, '__proto__')) return JSON.stringify(value)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutProto(each)]))
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
