/** Makes ids: 12 characters of 62, that is 71 bits. Short, because a session's id travels in every frame. */

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Fills an array with random bytes, as `crypto.getRandomValues` does. */
export type FillRandom = (bytes: Uint8Array<ArrayBuffer>) => void

/**
 * A new random id.
 * @param fill source of randomness; `crypto.getRandomValues` by default, a seeded one in simulations.
 */
export function newId(fill: FillRandom = (bytes) => void globalThis.crypto.getRandomValues(bytes)): string {
  let id = ''
  const bytes = new Uint8Array(16)
  while (id.length < 12) {
    fill(bytes)
    // 248 = 4 × 62: bytes above are dropped, so that every character is equally likely.
    for (const byte of bytes) if (byte < 248 && id.length < 12) id += ALPHABET[byte % 62]
  }
  return id
}

/**
 * Id of the run in which an agent answers an input. Derived, so that whoever creates it twice creates the same one, and so
 * that a cancel can name the run of an input before the run exists.
 */
export function runIdOf(input: string, agent: string): string {
  return `${input}.${agent}`
}

/**
 * Id of the n-th run (from 1) that a run has asked another agent for. Its end is no agent's name, so it is never that of a run
 * for an input.
 */
export function childIdOf(parent: string, agent: string, n: number): string {
  return `${parent}.${agent}#${n}`
}

/** Id of the n-th run (from 2) in which an agent answers an input. Its end is no agent's name either. */
export function anotherIdOf(input: string, agent: string, n: number): string {
  return `${runIdOf(input, agent)}~${n}`
}
