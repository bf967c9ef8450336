/** One line of the summary, and how the lines are printed. */
import { pathToFileURL } from 'node:url'

export interface Row {
  readonly what: string
  readonly value: number
  /** The value as it is printed, with its unit and spread. */
  readonly shown: string
  readonly budget: number
  /** Whether the value must be at most or at least the budget. */
  readonly better: 'less' | 'more'
}

export function isMet({ value, budget, better }: Row): boolean {
  return better === 'less' ? value <= budget : value >= budget
}

export function printRows(rows: readonly Row[]): void {
  const widest = Math.max(...rows.map((row) => row.what.length))
  for (const row of rows) {
    const bound = `${row.better === 'less' ? '≤' : '≥'} ${row.budget}`
    console.log(`${isMet(row) ? 'met   ' : 'NOT MET'.padEnd(6)} ${row.what.padEnd(widest)}  ${bound.padEnd(8)} ${row.shown}`)
  }
}

/** True in the file that Node was started with. */
export function isMain(url: string): boolean {
  return process.argv[1] !== undefined && pathToFileURL(process.argv[1]).href === url
}
