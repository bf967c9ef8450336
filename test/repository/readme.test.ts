/** The README's code compiles against the sources, and its commands exist. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT, read } from './tree.ts'

interface Block {
  /** First word after the fence: `ts`, `sh`, … */
  readonly language: string
  /** What follows it: the file's name, or `continued` for a block that goes on where the one before it has ended. */
  readonly note: string
  readonly code: string
  /** Line of the first line of code. */
  readonly line: number
}

function codeBlocks(markdown: string): readonly Block[] {
  return [...markdown.matchAll(/^```(\w+)[ \t]*(.*)\n([\s\S]*?)^```[ \t]*$/gm)].map(
    ({ index, 1: language, 2: note, 3: code }) => ({
      language: language ?? '',
      note: note ?? '',
      code: code ?? '',
      line: markdown.slice(0, index).split('\n').length + 1,
    }),
  )
}

/** Sources to compile, by file name; each keeps the line numbers of the README, so that an error is found there. */
function programs(blocks: readonly Block[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  let current = ''
  for (const { language, note, code, line } of blocks) {
    if (language !== 'ts' && language !== 'tsx') continue
    if (note !== 'continued' || current === '') current = `README-line-${line}.${language}`
    const before = files.get(current) ?? ''
    files.set(current, before + '\n'.repeat(Math.max(0, line - before.split('\n').length)) + code)
  }
  return files
}

/** What the compiler says; empty when it is content. */
function compile(files: ReadonlyMap<string, string>): string {
  // Inside the repository, so that `polylogue` is this package, whose exports tsc follows to the sources.
  mkdirSync(join(ROOT, '.setup'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, '.setup', 'readme-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  // Examples state no types of exports, and may keep a value that they do not use.
  const compilerOptions = { isolatedDeclarations: false, declaration: false, moduleDetection: 'force' }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*'] }),
  )
  for (const [name, code] of files) writeFileSync(join(folder, name), code)
  const tsc = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder, '--pretty', 'false'], {
    cwd: folder,
    encoding: 'utf8',
  })
  return tsc.status === 0 ? '' : `${tsc.stdout}${tsc.stderr}`
}

/** Commands of shell blocks that neither this repository nor the files that the blocks give can do. */
function unknownCommands(blocks: readonly Block[], scripts: Readonly<Record<string, string>>): readonly string[] {
  const shells = blocks.filter(({ language }) => ['sh', 'bash', 'shell', 'console'].includes(language))
  const lines = shells.flatMap(({ code }) => code.split('\n'))
  const given = new Set(blocks.map(({ note }) => note))
  return lines.filter((line) => {
    const script = /\bnpm (?:run ([\w:-]+)|(start|test)\b)/.exec(line)
    const file = /\bnode (?:--?[\w=-]+ )*([\w./-]+\.m?[jt]s)\b/.exec(line)
    return (
      (script !== null && scripts[script[1] ?? script[2] ?? ''] === undefined) ||
      (file !== null && !given.has(file[1] ?? '') && !existsSync(join(ROOT, file[1] ?? '')))
    )
  })
}

test('every ts block of the README compiles', { timeout: 60_000 }, () => {
  const files = programs(codeBlocks(read('README.md')))
  expect(files.size).toBeGreaterThan(0)
  expect(compile(files)).toBe('')
})

test('every npm script and node file in a shell block of the README exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  expect(unknownCommands(codeBlocks(read('README.md')), scripts)).toEqual([])
})

test('a wrong block and a wrong command are found', { timeout: 60_000 }, () => {
  const fence = '```'
  const blocks = codeBlocks(`# Title\n${fence}ts\nconst a = 1\n${fence}\ntext\n${fence}ts continued\nconst b: string = a\n${fence}
${fence}sh\nnpm test\nnpm run missing\nnode scripts/missing.ts\nnode scripts/test.ts\nnode given.ts\n${fence}\n${fence}ts given.ts\n${fence}\n`)
  expect(compile(programs(blocks))).toMatch(/README-line-3\.ts\(7,7\): error TS2322/)
  expect(unknownCommands(blocks, { test: '' })).toEqual(['npm run missing', 'node scripts/missing.ts'])
})
