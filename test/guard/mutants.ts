/**
 * Guards with one check taken out, one after the other: each must be noticed by the attacks or by the fuzz. Run by
 * `guard-mutants.test.ts`, or by hand: `node test/guard/mutants.ts`.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Guard } from '../../server/guard/guard.ts'
import { compile } from '../../server/guard/place.ts'
import { POLICY, type PolicyRow } from '../../shared/policy.ts'
import { ATTACKS, stage } from './attacks.ts'
import { emptyStats, FuzzSession } from './fuzz.ts'
import type { GuardMaker } from './world.ts'

const SERVER = join(dirname(fileURLToPath(import.meta.url)), '../../server')
const SHARED = pathToFileURL(join(SERVER, '../shared')).href
const MODULES = import.meta.resolve('yjs')

interface Mutant {
  /** Where the check stood. */
  readonly name: string
  readonly make: GuardMaker
}

/** Every `refuse(` of the guard, each in a copy of the sources in which it does nothing. */
async function codeMutants(folder: string): Promise<Mutant[]> {
  const source = join(SERVER, 'guard')
  const files = readdirSync(source).filter((file) => file.endsWith('.ts'))
  const texts = new Map(files.map((file) => [file, readFileSync(join(source, file), 'utf8')]))
  const mutants: Mutant[] = []
  for (const [file, text] of texts) {
    if (file === 'refusal.ts') continue
    const sites = [...text.matchAll(/\brefuse\(/g)]
    for (const { index } of sites) {
      const mutated = `${text.slice(0, index)}pass(${text.slice(index + 'refuse('.length)}\nfunction pass(..._: unknown[]): undefined {}\n`
      const line = text.slice(0, index).split('\n').length
      const home = join(folder, `m${mutants.length}`)
      mkdirSync(home)
      for (const [name, original] of texts) writeFileSync(join(home, name), elsewhere(name === file ? mutated : original))
      const module = (await import(pathToFileURL(join(home, 'guard.ts')).href)) as { Guard: typeof Guard }
      mutants.push({
        name: `${file}:${line}: ${text.split('\n')[line - 1]?.trim()}`,
        make: (doc, bindings) => new module.Guard(doc, bindings),
      })
    }
  }
  return mutants
}

/** The source as it works outside the repository. */
function elsewhere(source: string): string {
  return source.replaceAll("'../../shared/", `'${SHARED}/`).replaceAll("from 'yjs'", `from '${MODULES}'`)
}

const EVERYBODY = 'user agent support'
const isEverybody = (words = ''): boolean => EVERYBODY.split(' ').every((word) => words.split(' ').includes(word))

/** Every cell of the policy opened to everybody, each in a table of its own. */
function policyMutants(): Mutant[] {
  const mutants: Mutant[] = []
  const add = (path: string, what: string, change: Partial<PolicyRow>): void => {
    const top = compile({ ...POLICY, [path]: { ...POLICY[path], ...change } as PolicyRow })
    mutants.push({ name: `${path}: ${what}`, make: (doc, bindings) => new Guard(doc, bindings, top) })
  }
  for (const [path, row] of Object.entries(POLICY)) {
    const isRoot = !path.includes('/')
    for (const column of ['add', 'change', 'remove'] as const) {
      if (isRoot || isEverybody(row[column]) || (column === 'change' && path.endsWith('[]'))) continue
      add(path, `${column} by everybody`, { [column]: EVERYBODY })
    }
    if (row.value !== undefined) add(path, 'any value', { value: () => true })
    for (const key of row.needs ?? []) add(path, `without ${key}`, { needs: row.needs?.filter((each) => each !== key) ?? [] })
  }
  return mutants
}

/** How a mutant was noticed; null when it was not. */
function noticed({ make }: Mutant, fuzzed: number): string | null {
  for (const attacks of Object.values(ATTACKS)) {
    for (const [title, from, attack, code] of attacks) {
      let outcome = 'thrown'
      try {
        const { world, ...peers } = stage(make)
        const verdict = world.receive(attack({ world, ...peers }), from)
        outcome = verdict.ok ? 'accepted' : verdict.code
      } catch {
        // The stage itself, or what is confirmed after applying.
      }
      if (outcome !== code) return `${title}: ${outcome}`
    }
  }
  const stats = emptyStats()
  for (let seed = 1; seed <= fuzzed && stats.failures.length === 0; seed++) {
    try {
      new FuzzSession(seed, stats, make).run(300)
    } catch (error) {
      return `fuzz throws: ${String(error)}`
    }
  }
  return stats.failures[0]?.slice(0, 120) ?? null
}

/**
 * Checks that another one covers, by a part of the mutant's name, with what covers them. They stay: each says what it means
 * where it is meant.
 */
export const COVERED: Readonly<Record<string, string>> = {
  'if (this.#at >= this.#bytes.length)': 'what is read beyond the end is no number, and the next check finds that',
  "refuse('internal', 'order')": 'a fault of the guard itself, which nothing brings about',
  'messages/[]/parts: add': 'a message has its parts from the start (`needs`), and only its head lets it be made',
  'messages/[]/parts/[]/head: add': 'a part has its head from the start (`needs`), and only who may add a part makes one',
  'messages/[]/parts/[]/text/[]: remove': 'texts are never taken away on their own: their list is not, and letters are not',
  'tasks/[]: add': 'a run needs a head, which only the server writes',
  'tasks/[]/head: add': 'only the server makes runs, with their heads',
  'tasks/[]/status: add': 'a run has its status from the start',
  'tasks/[]/steps: add': 'a run has its steps from the start',
  'tasks/[]/steered: add': 'a run has its list from the start',
  'tasks/[]/spawned: add': 'the same',
  'tasks/[]/steps/[]: add': 'a step needs a head, which only the lease lets be written',
  'tasks/[]/steps/[]/head: add': 'a step has its head from the start (`needs`)',
  'ledger/version: add': 'the staged session has it already; the row is for one in which nothing was said yet',
  'ledger/participants: add': 'the same',
}

/** Mutants that nobody notices, by name. */
export async function survivors(fuzzed: number, say: (text: string) => void = () => {}): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'polylogue-mutants-'))
  try {
    const alive: string[] = []
    for (const mutant of [...(await codeMutants(folder)), ...policyMutants()]) {
      const how = noticed(mutant, fuzzed)
      if (how === null) alive.push(mutant.name)
      say(`${how === null ? 'ALIVE ' : 'noticed'} ${mutant.name}  ${how ?? ''}`)
    }
    return alive
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.warn = (): void => {}
  const alive = await survivors(Number(process.argv[2] ?? 10), (text) => console.log(text.slice(0, 200)))
  console.log(`${alive.length} alive`)
}
