/** Every rule of SPEC.md and every scenario that this release promises is shown by a test that says so in its title. */
import { expect, test } from 'vitest'
import { read, testTitles, titlesIn } from './tree.ts'

/** Acceptance scenarios that this release promises; a test of each begins with its id: `[S6] …`. */
const PROMISED = `
  D1 D2 D3 D4 D5 D6 D7 D8 D9 D10 D11 D12
  S1 S2 S3 S4 S5 S6 S7 S8 S9 S10
  O1 O2 O3 O4 O5 O6 O7 O8
  R1 R2 R3 R4 R5 R6 R7 R8 R9 R10 R11
  G1 G2 G3 G4 G5 G6 G7 G8 G9 G10 G11 G12 T1 T2 T3 T4 H1 H2 H3 B1 B2 K1 K2 K3 E1 E2
  X1 X2 X3 X4 X5 X6 X7 X8 Y1 Y2`
  .trim()
  .split(/\s+/)

/** Ids that titles cite: `[S6]`, `[S6, S7]` or `[S6][S7]` for scenarios, the same in parentheses for rules. */
function cited(titles: readonly string[], bracket: RegExp, id: RegExp): ReadonlySet<string> {
  const groups = titles.flatMap((title) => [...title.matchAll(bracket)].flatMap(([, inside = '']) => inside.split(/[,\s]+/)))
  return new Set(groups.filter((word) => id.test(word)))
}

const rulesIn = (titles: readonly string[]): ReadonlySet<string> => cited(titles, /\(([^()]*)\)/g, /^[A-Z]+-\d+$/)

test('every promised scenario has a test', () => {
  const shown = cited(testTitles(), /\[([^[\]]*)\]/g, /^[A-Z]\d+$/)
  expect(PROMISED.filter((id) => !shown.has(id))).toEqual([])
})

test('every rule of SPEC.md has a test, and every rule that a test cites is in SPEC.md', () => {
  const ruled = [...read('SPEC.md').matchAll(/\*\*([A-Z]+-\d+)\*\*/g)].map(([, id = '']) => id)
  const citedRules = rulesIn(testTitles())
  expect(ruled).not.toEqual([])
  expect({
    withoutTest: [...new Set(ruled)].filter((id) => !citedRules.has(id)),
    withoutRule: [...citedRules].filter((id) => !ruled.includes(id)),
  }).toEqual({ withoutTest: [], withoutRule: [] })
})

test('titles are read as they are written', () => {
  const source = `
    test('[S6] shuffled (DOC-3, LOG-1)', () => {})
    test.for(['a', 'b'])('[S7] each of %s', () => {})
    describe("it's quoted", () => { it(\`in a template\`, f) })
    test.skipIf(process.platform === 'win32')('counts', f)
    test.skip('[S8] does not count', f)
    test.todo('[S9] neither')
    expect(titles).toContain('[S10]')`
  const titles = titlesIn(source)
  expect(titles).toEqual(['[S6] shuffled (DOC-3, LOG-1)', '[S7] each of %s', "it's quoted", 'in a template', 'counts'])
  expect([...rulesIn(titles)]).toEqual(['DOC-3', 'LOG-1'])
})
