/** How prices and days are written, the same in answers, cards and e-mails. No imports but types. */

/** `27900` → `$279.00`. */
export function formatPrice(cents: number): string {
  return `$${(cents / 100).toFixed(2).replaceAll(/\B(?=(?:\d{3})+\.)/g, ',')}`
}

/** `2026-11-24` of an instant, in UTC: every process and every test sees the same day. */
export function dayOf(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 10)
}

/** `Tuesday, November 24` of a day or instant. */
export function formatDay(day: string | number): string {
  return new Date(day).toLocaleDateString('en-US', { weekday: 'long', month: 'long', day: 'numeric', timeZone: 'UTC' })
}
