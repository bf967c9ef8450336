/**
 * What the transcript shows, top to bottom: messages in their order, and runs that have no reply yet behind their input. Runs
 * that another run asked for are shown within that one. Runs that wait for their turn are not shown: the input says so; nor are those of inputs that were taken back.
 */
import type { Message, Run } from 'polylogue'

export interface Row {
  /** Of a reply its run's id, so that the reply takes the place of the line that announced it. */
  readonly key: string
  readonly message: string | null
  readonly run: string | null
}

export function rowsOf(
  ids: readonly string[],
  message: (id: string) => Message | undefined,
  runs: readonly Run[],
  waitingRuns: ReadonlySet<string>,
  isShown: (run: string) => boolean = () => true,
): Row[] {
  const children = new Set(runs.filter((run) => run.parent !== undefined).map((run) => run.id))
  const replied = new Set<string>()
  for (const id of ids) {
    const run = message(id)?.metadata.run
    if (run !== undefined) replied.add(run)
  }
  const waiting = Map.groupBy(
    runs.filter(
      (run) =>
        !replied.has(run.id) &&
        isShown(run.id) &&
        run.parent === undefined &&
        !waitingRuns.has(run.id) &&
        !(run.status === 'cancelled' && message(run.input)?.metadata.verdict?.state === 'removed'),
    ),
    (run) => run.input,
  )
  return ids.flatMap((id) => {
    const run = message(id)?.metadata.run ?? null
    if (run !== null && children.has(run)) return []
    const row: Row = { key: run ?? id, message: id, run }
    const announced = (waiting.get(id) ?? []).map((it): Row => ({ key: it.id, message: null, run: it.id }))
    return announced.length === 0 ? [row] : [row, ...announced]
  })
}
