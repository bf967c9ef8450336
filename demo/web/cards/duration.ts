/** `0.4 s`, `12 s`, `2 min 5 s`. */
export function durationOf(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
