/** Tokens for tests. */
import { mintToken, type TokenClaims } from '../../server/index.ts'

export const SECRET = 'the secret of the tests, 32 bytes or more'

/** A token for all sessions, unless `sessions` says which. An agent's id is its name. */
export function tokenFor(id: string, kind: TokenClaims['kind'] = 'user', sessions: readonly string[] = ['*']): Promise<string> {
  return mintToken(SECRET, { id, kind, name: id, sessions })
}
