// @vitest-environment happy-dom
/** What the page shows a task later than it knows it. */
import { act } from 'react'
import { createRoot } from 'react-dom/client'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { useInNextTask } from '../demo/web/late.ts'

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
})

function shown(): { show: (value: number) => Promise<void>; text: () => string | null; end: () => Promise<void> } {
  const html = document.createElement('div')
  const root = createRoot(html)
  const Value = ({ value }: { readonly value: number }): number => useInNextTask(value)
  return {
    show: (value) => act(async () => root.render(<Value value={value} />)),
    text: () => html.textContent,
    end: () => act(async () => root.unmount()),
  }
}

test('a value comes in the task after its change, the last one of several, and the first one at once', async () => {
  const { show, text, end } = shown()
  await show(1)
  expect(text()).toBe('1')
  await act(async () => vi.runAllTimers())
  await show(2)
  await show(3)
  expect(text()).toBe('1')
  await act(async () => vi.runAllTimers())
  expect(text()).toBe('3')
  await end()
})

test('further changes do not put it off, and nothing is left of it', async () => {
  const { show, text, end } = shown()
  await show(1)
  await act(async () => vi.runAllTimers())
  await show(2)
  let waiting: number | undefined
  // A task that came after that change.
  setTimeout(() => (waiting = vi.getTimerCount()))
  await show(3)
  await act(async () => vi.runAllTimers())
  expect(waiting, 'its turn was before that task').toBe(0)
  expect(text()).toBe('3')
  await show(4)
  await end()
  expect(vi.getTimerCount()).toBe(0)
})
