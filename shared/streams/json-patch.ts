/**
 * JSON Patch (RFC 6902): its six operations, on JSON values. Nothing is changed in place; a patch applies whole or not at all.
 */
import { asRecord } from '../layout.ts'

/** The value after the patch. Throws an `Error` when the patch is none, or does not fit the value. */
export function patched(value: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new Error('A patch is a list of operations.')
  return (patch as readonly unknown[]).reduce(applied, value)
}

function applied(value: unknown, operation: unknown): unknown {
  const { op, path, from, value: operand } = asRecord(operation) ?? {}
  const to = pointer(path)
  const needsValue = op === 'add' || op === 'replace' || op === 'test'
  if (needsValue && operand === undefined) throw new Error(`The operation ${op} needs a value.`)
  switch (op) {
    case 'add':
      return inserted(value, to, operand)
    case 'remove':
      return removed(value, to)
    case 'replace':
      at(value, to)
      return to.length === 0 ? operand : changed(value, to, () => operand)
    case 'move': {
      const source = pointer(from)
      if (to.length > source.length && source.every((token, i) => token === to[i])) throw new Error('Nothing moves into itself.')
      return inserted(removed(value, source), to, at(value, source))
    }
    case 'copy':
      return inserted(value, to, at(value, pointer(from)))
    case 'test':
      if (!isEqual(at(value, to), operand)) throw new Error(`The value at ${String(path)} is another.`)
      return value
    default:
      throw new Error(`There is no operation ${JSON.stringify(op)}.`)
  }
}

/** The reference tokens of a JSON Pointer (RFC 6901). */
function pointer(path: unknown): readonly string[] {
  if (path === '') return []
  if (typeof path !== 'string' || !path.startsWith('/')) throw new Error(`${JSON.stringify(path)} is no JSON Pointer.`)
  return path
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

const INDEX = /^(0|[1-9][0-9]{0,8})$/

/** The place of a token in a list; `end` is the first that is too high. */
function indexIn(token: string, end: number): number {
  const index = INDEX.test(token) ? Number(token) : end
  if (index >= end) throw new Error(`There is no place ${token} in a list of ${end}.`)
  return index
}

/** What stands under a token. Only what is the value's own: a patch never reaches a prototype. */
function child(value: unknown, token: string): unknown {
  if (Array.isArray(value)) return value[indexIn(token, value.length)] as unknown
  const record = asRecord(value)
  if (record === undefined || !Object.hasOwn(record, token)) throw new Error(`There is nothing at ${token}.`)
  return record[token]
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce(child, value)
}

/** A copy with what stands at a path changed. */
function changed(value: unknown, path: readonly string[], change: (value: unknown) => unknown): unknown {
  const [token, ...rest] = path
  if (token === undefined) return change(value)
  const next = changed(child(value, token), rest, change)
  return Array.isArray(value) ? value.with(indexIn(token, value.length), next) : withKey(value, token, next)
}

function withKey(value: unknown, key: string, entry: unknown): unknown {
  // Not by assignment: a key `__proto__` must be a key like any other.
  return Object.fromEntries([...Object.entries(value as object), [key, entry]])
}

/** A copy with the container of what a path names changed. */
function inContainer(value: unknown, path: readonly string[], change: (container: unknown, token: string) => unknown): unknown {
  return changed(value, path.slice(0, -1), (container) => change(container, path.at(-1) ?? ''))
}

function inserted(value: unknown, path: readonly string[], operand: unknown): unknown {
  if (path.length === 0) return operand
  return inContainer(value, path, (container, token) => {
    if (Array.isArray(container)) {
      return container.toSpliced(token === '-' ? container.length : indexIn(token, container.length + 1), 0, operand)
    }
    if (asRecord(container) === undefined) throw new Error(`Nothing can be added at ${token}.`)
    return withKey(container, token, operand)
  })
}

function removed(value: unknown, path: readonly string[]): unknown {
  at(value, path)
  if (path.length === 0) return null
  return inContainer(value, path, (container, token) => {
    if (Array.isArray(container)) return container.toSpliced(indexIn(token, container.length), 1)
    return Object.fromEntries(Object.entries(container as object).filter(([key]) => key !== token))
  })
}

/** Equal as RFC 6902 has it: whatever the order of an object's keys. */
function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((value, i) => isEqual(value, b[i]))
  }
  const [one, other] = [asRecord(a), asRecord(b)]
  if (one === undefined || other === undefined) return false
  const keys = Object.keys(one)
  if (keys.length !== Object.keys(other).length) return false
  return keys.every((key) => Object.hasOwn(other, key) && isEqual(one[key], other[key]))
}
