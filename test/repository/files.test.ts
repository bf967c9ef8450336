/** What no file of the repository may contain, and how long one may be. */
import { expect, test } from 'vitest'
import { missingFrom } from '../../scripts/complete-lock.mjs'
import type { Lock } from '../../scripts/complete-lock.mjs'
import { read, trackedFiles } from './tree.ts'

const MAX_LINES = 400

/** Paths of somebody's own machine. Not after a dot, a letter or a digit: those are parts of addresses and longer paths. */
const MACHINE_PATH = /(^|[^A-Za-z0-9.])\/(tmp|work|farm|root)\/[A-Za-z0-9]/

/** A lock file that names a registry's host binds every clone to that host. */
const REGISTRY_HOST = /"resolved": ?"http/

/** Files that are text; the others are found by their NUL bytes. */
function texts(): readonly (readonly [path: string, content: string])[] {
  return trackedFiles()
    .map((path) => [path, read(path)] as const)
    .filter(([, content]) => !content.includes('\0'))
}

function breaches(pattern: RegExp): readonly string[] {
  return texts().flatMap(([path, content]) =>
    content
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 120)}`] : [])),
  )
}

test('no file names a path of one machine', () => {
  expect(breaches(MACHINE_PATH)).toEqual([])
})

test('no file names the host of a registry', () => {
  expect(breaches(REGISTRY_HOST)).toEqual([])
})

test('package-lock.json names the packages of every platform, so that `npm ci` accepts it', () => {
  const lock = JSON.parse(read('package-lock.json')) as Lock
  const remedy = 'run node scripts/complete-lock.mjs'
  expect(missingFrom(lock), remedy).toEqual([])
  const { 'node_modules/@oxlint/binding-linux-x64-gnu': taken, ...packages } = lock.packages
  expect(taken).toBeDefined()
  expect(missingFrom({ packages })).toMatchObject([{ name: '@oxlint/binding-linux-x64-gnu', dev: true }])
})

test(`a source of more than ${MAX_LINES} lines says in its first comment why`, () => {
  const sources = texts().filter(([path]) => /^(shared|server|client|demo|bench|scripts|test)\/.*\.(tsx?|mjs|css)$/.test(path))
  expect(sources.length).toBeGreaterThan(0)
  const long = sources.filter(([, content]) => content.trimEnd().split('\n').length > MAX_LINES)
  expect(long.filter(([, content]) => !/\blines\b/.test(firstComment(content))).map(([path]) => path)).toEqual([])
})

function firstComment(content: string): string {
  return /^\s*(\/\*[\s\S]*?\*\/|(\/\/[^\n]*\n?)+)/.exec(content)?.[0] ?? ''
}

test('the patterns find what they are for', () => {
  const path = (folder: string): string => `cat /${folder}/notes`
  expect(['tmp', 'work', 'farm', 'root'].filter((folder) => !MACHINE_PATH.test(path(folder)))).toEqual([])
  expect(MACHINE_PATH.test('https://example.com/work/x')).toBe(false)
  expect(REGISTRY_HOST.test(`"resolved": ${'"http'}s://registry.example`)).toBe(true)
  expect(firstComment('/** 500 lines, because */\nimport')).toMatch(/lines/)
  expect(firstComment('import x // lines')).toBe('')
})
