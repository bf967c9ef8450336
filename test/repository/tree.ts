/** What the tests of the repository itself have in common: its files and the titles of its tests. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url))

/** What git would not track. Needed where there is no git, or no clone: in an unpacked archive. */
const MADE = new Set(['.git', 'node_modules', 'dist', '.setup', '.data', 'data'])

/** The files that git tracks or would track, as paths from the root. */
export function trackedFiles(): readonly string[] {
  const git = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT, encoding: 'utf8' })
  const listed = git.status === 0 ? git.stdout.split('\0').filter((path) => path !== '') : walk('')
  return listed.filter((path) => existsSync(join(ROOT, path)))
}

function walk(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true }).filter(
    ({ name }) => !MADE.has(name) && !name.endsWith('.log'),
  )
  return entries.flatMap((entry) => (entry.isDirectory() ? walk(`${folder}${entry.name}/`) : [`${folder}${entry.name}`]))
}

/** Content of a file; a path from the root. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

/**
 * Titles of all tests in test/, the suites that are functions included. A test that is skipped or still to be written does not
 * count: its title promises nothing. `skipIf` and `runIf` do count.
 */
export function testTitles(): readonly string[] {
  const sources = trackedFiles().filter((path) => /^test\/.*\.tsx?$/.test(path) && !path.startsWith('test/repository/'))
  return sources.flatMap((path) => titlesIn(read(path)))
}

/** Titles of the tests in one source: the string that opens a call of `test`, `it` or `describe`, or of what `.for(…)` returns. */
export function titlesIn(source: string): readonly string[] {
  const call = /(?:\b(?:test|it|describe)((?:\.\w+)*)|\))\(\s*(['"`])((?:\\.|(?!\2)[^\\])*)\2\s*,/g
  return [...source.matchAll(call)].flatMap(([, modifiers = '', , title = '']) =>
    /\.(skip|todo)\b/.test(modifiers) ? [] : [title],
  )
}
