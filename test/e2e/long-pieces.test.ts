/** A long list, table and code that grow: they come in groups, which nobody sees, hears or copies. */
import axe from 'axe-core'
import type { Locator } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Agent } from '../../client/agent.ts'
import { textOf } from '../../client/index.ts'
import { speak, write } from './long-session.ts'
import { setStage } from './stage.ts'
import { until, type Window } from './windows.ts'

const stage = setStage()

const rows = (count: number, cell: string): string =>
  Array.from({ length: count }, (_, i) => `| ${i} | ${cell} | **b** |\n`).join('')
const LONG_CELL = 'a cell that has far more words in it than any before'
const LONG_LINE = `const line = '${'long '.repeat(60)}'\n`

/** The numbers get a digit more when the columns are known already. */
const COUNTED = Array.from({ length: 110 }, (_, i) => `| row ${i} | b |\n`).join('')

/** What the agent answers, by a word of the question; each part waits until it is let go. */
const ANSWERS: Readonly<Record<string, readonly string[]>> = {
  list: [Array.from({ length: 120 }, (_, i) => `${i + 3}. entry ${i + 3}\n`).join('')],
  table: [`| n | what | c |\n|---|---|--:|\n${rows(40, 'short')}`, rows(40, LONG_CELL)],
  count: [`| n | c |\n|---|---|\n${COUNTED}`],
  code: [`\`\`\`ts\n${'const line = 1\n'.repeat(60)}${LONG_LINE.repeat(8)}\`\`\`\n`],
}

let agent: Agent
let goOn = (): void => {}

beforeAll(async () => {
  agent = await speak(stage.demo, 'orders', async (run) => {
    const asked = textOf(run.messages.at(-1) ?? { parts: [] })
    const [, parts = []] = Object.entries(ANSWERS).find(([word]) => asked.includes(word)) ?? []
    for (const [i, part] of parts.entries()) {
      if (i > 0) await new Promise<void>((resolve) => (goOn = resolve))
      await write(run, part, { chars: 100 })
    }
  })
})

afterAll(() => agent?.close())

async function asked(window: Window, what: string): Promise<Locator> {
  await window.ask('orders', `A ${what}, please`)
  return window.reply('orders')
}

/** What axe finds in what the agent writes. */
async function violations(window: Window): Promise<readonly string[]> {
  await window.page.evaluate(axe.source)
  return window.page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run('.reply')
    return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)
  })
}

test('a numbered list goes on counting from group to group, and is one list for who hears it', async () => {
  const a = await stage.join(await stage.newLink(), 'Mia')
  const reply = await asked(a, 'list')
  await until(() => a.status('orders'), 'all of it').toBe('complete')
  await until(() => reply.locator('li').count(), 'is shown').toBe(120)
  const lists = await reply
    .locator('ol')
    .evaluateAll((all) => all.map((it) => [(it as HTMLOListElement).start, it.childElementCount]))
  expect(lists.length).toBeGreaterThan(4)
  let number = 3
  for (const [start, count] of lists) {
    expect(start).toBe(number)
    number += count ?? 0
  }
  expect(await reply.getByRole('list').count()).toBe(1)
  expect(await reply.getByRole('list').getByRole('listitem').count()).toBe(120)
  expect(await violations(a)).toEqual([])
})

test('columns of a table stay as wide as they are while it grows, in all of its groups, until they are outgrown', async () => {
  const a = await stage.join(await stage.newLink(), 'Mia')
  const reply = await asked(a, 'table')
  const table = reply.locator('table')
  /** Widths of the cells of each row: as many different ones as there are. */
  const widths = (): Promise<string[]> =>
    table.evaluate((it: HTMLTableElement) => {
      const all = [...it.rows].map((row) => [...row.cells].map((cell) => Math.round(cell.getBoundingClientRect().width)).join())
      return [...new Set(all)]
    })
  await until(() => table.locator('tbody tr').count(), 'half of it').toBe(40)
  await until(() => table.getAttribute('data-steady'), 'its columns are known').toBe('true')
  expect(await table.locator('tbody').count()).toBeGreaterThan(2)
  const before = await widths()
  expect(before).toHaveLength(1)
  expect(await table.evaluate((it) => it.scrollWidth - it.clientWidth), 'nothing is cut off').toBe(0)

  await table
    .locator('tr')
    .nth(20)
    .evaluate((row) => document.getSelection()?.selectAllChildren(row))
  await until(() => a.page.evaluate(() => typeof document.getSelection()?.toString()), 'selected').toBe('string')
  goOn()
  await until(() => a.status('orders'), 'it ends').toBe('complete')
  await until(() => table.locator('tbody tr').count(), 'all of it').toBe(80)
  await until(() => table.getAttribute('data-steady'), 'measured anew').toBe('true')
  const after = await widths()
  expect(after).toHaveLength(1)
  expect(Number(after[0]?.split(',')[1])).toBeGreaterThan(1.5 * Number(before[0]?.split(',')[1]))
  expect(await a.page.evaluate(() => document.getSelection()?.toString())).toBe('19\tshort\tb')
  expect(await table.getByRole('row').count()).toBe(81)
  expect(await table.getByRole('columnheader').count()).toBe(3)
  expect(await violations(a)).toEqual([])

  // With less room they are the browser's to find again.
  await a.page.setViewportSize({ width: 390, height: 844 })
  await until(() => table.getAttribute('data-steady'), 'as if shown anew').toBe(null)
  expect(await table.locator('[width]').count()).toBe(0)
  expect(await widths()).toHaveLength(1)
})

test('no cell of a table breaks where there is room for it', async () => {
  const a = await stage.join(await stage.newLink(), 'Mia')
  const reply = await asked(a, 'count')
  await until(() => a.status('orders'), 'all of it').toBe('complete')
  await until(() => reply.locator('tbody tr').count(), 'is shown').toBe(110)
  const heights = (): Promise<number[]> =>
    reply.locator('tbody tr').evaluateAll((rows) => [...new Set(rows.slice(1).map((row) => Math.round(row.clientHeight)))])
  await until(async () => (await heights()).length, 'all of them are one line').toBe(1)
  expect(await heights()).toHaveLength(1)
})

test('code can be scrolled to the end of its longest line, in whichever part that is', async () => {
  const a = await stage.join(await stage.newLink(), 'Mia')
  const reply = await asked(a, 'code')
  await until(() => a.status('orders'), 'all of it').toBe('complete')
  await until(() => reply.locator('pre').textContent(), 'is shown').toContain(LONG_LINE.repeat(8))
  const { beyond, lines } = await reply.locator('pre').evaluate((pre) => {
    const range = document.createRange()
    range.selectNodeContents(pre)
    const { right, height } = range.getBoundingClientRect()
    const part = pre.querySelector('code > span')
    const line = (part?.getBoundingClientRect().height ?? 0) / ((part?.textContent?.split('\n').length ?? 0) - 1)
    return { beyond: Math.round(pre.scrollWidth - (right - pre.getBoundingClientRect().left)), lines: height / line }
  })
  expect(beyond).toBeGreaterThanOrEqual(0)
  // No part begins with an empty line or ends with one.
  expect(lines).toBeCloseTo(68, 1)
})
