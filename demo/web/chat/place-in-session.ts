/** Where a reader was in a session: kept per tab, so that a reload or another session in between loses nothing. */

export interface PlaceInSession {
  /** Key of the topmost row that was in view. */
  readonly key: string
  /** How much of it was above the view, in pixels. */
  readonly above: number
}

const keyOf = (session: string): string => `polyshop:place:${session}`

/** Null for one who was at the end, or has not been here. */
export function placeIn(session: string): PlaceInSession | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(keyOf(session)) ?? 'null') as Partial<PlaceInSession> | null
    return typeof kept?.key === 'string' && typeof kept.above === 'number' ? { key: kept.key, above: kept.above } : null
  } catch {
    // Nothing readable was kept: one begins at the end.
    return null
  }
}

export function keepPlace(session: string, place: PlaceInSession | null): void {
  try {
    if (place === null) sessionStorage.removeItem(keyOf(session))
    else sessionStorage.setItem(keyOf(session), JSON.stringify(place))
  } catch {
    // Then a reload begins at the end.
  }
}
