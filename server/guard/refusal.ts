/** Why an update is refused, in the words that go over the wire. */

export type RefusalCode =
  /** Bytes that no Yjs encoder writes. */
  | 'malformed'
  /** Above a limit of `limits.ts`: bytes, structs, clocks, names, depth. */
  | 'too-big'
  /** Placing it would take more steps than one update may cost. */
  | 'too-complex'
  /** Content that the layout has no use for: documents, formats, XML, binary. */
  | 'forbidden-content'
  /** It builds on something that the server does not have. */
  | 'missing'
  /** The sender is an agent's worker that has not said yet which one it is. */
  | 'unannounced'
  /** It stands between things in a way that no honest author writes. */
  | 'bad-reference'
  /** Written under the client id of another participant, or of one that is not known. */
  | 'foreign-client'
  | 'too-many-clients'
  /** A place without a row. */
  | 'unknown-place'
  /** Not the type that belongs in this place. */
  | 'bad-shape'
  | 'bad-value'
  /** A message, part or step without what it needs. */
  | 'incomplete'
  /** The row of this place does not allow it to this participant. */
  | 'forbidden'
  | 'read-only'
  /** A fault of the guard itself: what it does not understand it does not let through. */
  | 'internal'

export class Refused extends Error {
  readonly code: RefusalCode
  /** The row of the place in question, or empty. */
  readonly path: string
  constructor(code: RefusalCode, path: string) {
    super(path === '' ? code : `${code} ${path}`)
    this.code = code
    this.path = path
  }
}

/** Ends the check of an update. */
export function refuse(code: RefusalCode, path = ''): never {
  throw new Refused(code, path)
}
