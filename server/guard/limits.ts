/** What one update, and one participant, may cost the server. */

/** Structs in one update. 10,000 streamed tokens that were flushed one by one are 10,000. */
export const MAX_STRUCTS = 200_000
/** Ranges in the delete set of one update; every reconnect brings the whole set of the document. */
export const MAX_DELETE_RANGES = 500_000
/** Clients that one update may bring. Each costs every later transaction of the session. */
export const MAX_NEW_CLIENTS = 16
/** Client ids that one participant may have in a session: one per page load that is present in it. */
export const MAX_CLIENTS_PER_PARTICIPANT = 2_048
/** Clocks stay below this, so that every sum of them is exact. */
export const MAX_CLOCK: number = 2 ** 31
/** Client ids are 32 bits. */
export const MAX_CLIENT: number = 2 ** 32 - 1
/** Length of a root's name or of a map's key, in bytes: MAX_FIELD_CHARS of any script. */
export const MAX_KEY_BYTES = 1_024
/** Length of one string within a value, in bytes; a tool's output may be one string. */
export const MAX_STRING_BYTES: number = 4 * 1024 * 1024
/** Steps that placing the structs of one update may take: about 10 ms. */
export const MAX_STEPS = 300_000
